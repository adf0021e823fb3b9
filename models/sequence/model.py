"""What people do next: a log-bilinear sequence model with learned time kernels, in NumPy.

Several heads weigh a person's recent entries by learned tables of the time gap, the position and
the grade; each head's weighted mean of item embeddings passes a linear map and meets the
embeddings of all items. For a query with history entries j (item i_j, grade g_j, gap t - t_j,
position p_j counted from the newest):

    l_hj = G_h[gap bucket] + P_h[position bucket] + R_h[g_j]                (learned tables)
    a_hj = exp(l_hj) / (exp(o_h) + sum_k exp(l_hk))                         (softmax with a null key)
    u_h  = (1 + N_h[count bucket] + D_h[last gap bucket]) * sum_j a_hj E[i_j]   (gated head)
    x    = concat_h(u_h) W + Sn[count bucket] + Sg[last gap bucket] + Ty[kind]
    s_i  = E[i] . x + b_i                                                   (score of item i)

Sources: log-bilinear context, Mnih and Hinton 2007, "Three new graphical models for statistical
language modelling"; softmax over keys with additive biases, Vaswani et al. 2017 and (time-gap
biases) Li, Wang and McAuley 2020, "TiSASRec"; sampled softmax with a correction, Bengio and
Senecal 2008; Adam with decoupled decay, Kingma and Ba 2015, Loshchilov and Hutter 2019. Input and
output embeddings are tied (Press and Wolf 2017). Training shuffles entries of one second (their
order carries nothing), reads every history backwards as well, and forgets old targets by half-life.

All arrays are float32 unless said otherwise; item "rows" are int64 indices 0 <= row < items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.sequence.adam import Adam
from models.sequence.batches import Batch, arrange, batch_of, chunks_of, target_weights
from models.sequence.gradients import loss_and_gradients
from models.sequence.history import (
    COUNTS,
    GAP_EDGES,
    GAPS,
    GRADES,
    POSITION_EDGES,
    POSITIONS,
    Floats,
    History,
    Ints,
    count_bucket,
)
from models.sequence.settings import SequenceSettings

#: Scale in seconds at which each head's gap table starts; reused in turn for further heads.
_HEAD_SCALES = (20.0, 600.0, 86_400.0, 1e9, 60.0, 3_600.0, 604_800.0, 1e9)
_BY_ITEM = ("embedding", "bias")
_DECAYED = ("embedding", "map")


class SequenceModel:
    """Scores every item by what this person is likely to do next; see the module for the formulas."""

    def __init__(
        self,
        items: int,
        settings: SequenceSettings | None = None,
        *,
        seed: int = 0,
        content: Floats | None = None,
    ) -> None:
        """A fresh model of `items` rows; `content` float32 [items, f] adds `content @ C` to embeddings."""
        self.settings = settings or SequenceSettings()
        rng = np.random.default_rng(seed)
        d, h, scale = self.settings.dimension, self.settings.heads, self.settings.scale

        def normal(*shape: int) -> Floats:
            return (rng.standard_normal(shape) * scale).astype(np.float32)

        def zeros(*shape: int) -> Floats:
            return np.zeros(shape, np.float32)

        eye = np.concatenate([np.eye(d, dtype=np.float32)] * h) / h
        middle = np.sqrt(np.maximum(GAP_EDGES[:-1] - 1, 1) * (GAP_EDGES[1:] - 1.0))
        middle = np.concatenate([[0.0], middle, [5.2e6]])
        gap = np.stack([-np.minimum(np.log1p(middle / _HEAD_SCALES[k % 8]), 6.0) for k in range(h)])
        self._p: dict[str, Floats] = {
            "embedding": normal(items, d),
            "bias": zeros(items),
            "gap": gap.astype(np.float32),
            "position": zeros(h, POSITIONS),
            "grade": zeros(h, GRADES),
            "null": zeros(h),
            "gate_count": zeros(COUNTS, h),
            "gate_gap": zeros(GAPS, h),
            "map": (eye + normal(h * d, d) * np.float32(0.2)).astype(np.float32),
            "state_count": zeros(COUNTS, d),
            "state_gap": zeros(GAPS, d),
            "kind": zeros(2, d),
        }
        self.content = content
        if content is not None:
            self._p["content_map"] = zeros(content.shape[1], d)
            self._p["content_bias"] = zeros(content.shape[1])
        self._adam = Adam(self._p, self.settings.decay, _DECAYED)
        window = np.arange(self.settings.window, 0, -1)
        self._place: Ints = np.searchsorted(POSITION_EDGES, window, side="right")
        self._seen = np.zeros(items, np.bool_)
        self._scored: tuple[Floats, Floats] | None = None

    @property
    def items(self) -> int:
        """How many item rows the model has."""
        return len(self._p["bias"])

    # -- storing ---------------------------------------------------------------------------------

    def parameters(self, *, optimizer: bool = False) -> dict[str, NDArray[np.generic]]:
        """All weights by name (not copies), with Adam's moments under `m.…`, `v.…` where asked for."""
        out: dict[str, NDArray[np.generic]] = {**self._p, "seen": self._seen}
        if optimizer:
            out.update(self._adam.moments())
            out["steps"] = np.array(self._adam.steps)
        return out

    @classmethod
    def from_parameters(
        cls,
        parameters: Mapping[str, NDArray[np.generic]],
        settings: SequenceSettings | None = None,
        *,
        content: Floats | None = None,
    ) -> SequenceModel:
        """The model that `parameters()` describes; moments are restored where they are included."""
        model = cls(len(parameters["bias"]), settings, content=content)
        for name, value in model._p.items():
            given = np.array(parameters[name], np.float32)
            if given.shape != value.shape:
                raise ValueError(f"{name} has shape {given.shape}, the settings ask for {value.shape}")
            model._p[name] = given
            if f"m.{name}" in parameters:
                model._adam.first[name] = np.array(parameters[f"m.{name}"], np.float32)
                model._adam.second[name] = np.array(parameters[f"v.{name}"], np.float32)
        model._seen = np.array(parameters["seen"], np.bool_)
        model._adam.steps = int(parameters.get("steps", np.array(0)))
        return model

    def grow(self, items: int, *, seed: int, content: Floats | None = None) -> None:
        """Add rows up to `items`; `content` float32 [items, f] must be given where the model has content."""
        more = items - self.items
        if more < 0:
            raise ValueError(f"the model has {self.items} items, it cannot shrink to {items}")
        if self.content is not None:
            if content is None or content.shape != (items, self.content.shape[1]):
                raise ValueError("a model with content needs the content of all items to grow")
            self.content = content
        rng = np.random.default_rng(seed)
        shape = (more, self.settings.dimension)
        fresh = (rng.standard_normal(shape) * self.settings.scale).astype(np.float32)
        seen = self._seen
        start = np.float32(np.median(self._p["bias"][seen])) if seen.any() else np.float32(0)
        for table, rows in (
            (self._p, {"embedding": fresh, "bias": np.full(more, start, np.float32)}),
            (self._adam.first, {"embedding": np.zeros_like(fresh), "bias": np.zeros(more, np.float32)}),
            (self._adam.second, {"embedding": np.zeros_like(fresh), "bias": np.zeros(more, np.float32)}),
        ):
            for name, value in rows.items():
                table[name] = np.concatenate([table[name], value])
        self._seen = np.concatenate([self._seen, np.zeros(more, np.bool_)])
        self._scored = None

    # -- scoring ---------------------------------------------------------------------------------

    def scores(self, history: History, now_ms: int, rows: Ints | None = None) -> Floats:
        """Scores float32 [n] (of `rows`, else of all items) of what follows `history` at `now_ms`."""
        embedding, bias = self._outputs()
        x = self.query(history, now_ms)
        if rows is None:
            return embedding @ x + bias
        some: Floats = embedding[rows] @ x + bias[rows]
        return some

    def query(self, history: History, now_ms: int) -> Floats:
        """The query vector x float32 [d]: a score is `embedding @ x + bias`."""
        p, w = self._p, self.settings.window
        total = len(history.items) + history.earlier
        items = history.items[-w:]
        n = len(items)
        counts = int(count_bucket(np.array([total]))[0])
        if n == 0:
            nothing: Floats = p["state_count"][counts] + p["state_gap"][GAPS - 1] + p["kind"][1]
            return nothing
        gap = GAP_EDGES.searchsorted(np.maximum(now_ms - history.times_ms[-w:], 0) // 1000, side="right")
        grades = np.clip(history.grades[-w:], 0, GRADES - 1)
        logits = p["gap"][:, gap] + p["position"][:, self._place[w - n :]] + p["grade"][:, grades]
        e = np.exp(np.minimum(logits, 30.0))
        a = e / (e.sum(1) + np.exp(p["null"]))[:, None]
        last = gap[-1]
        u = (a @ self._outputs()[0][items]) * (1 + p["gate_count"][counts] + p["gate_gap"][last])[:, None]
        x: Floats = u.reshape(-1) @ p["map"]
        return np.asarray(x + p["state_count"][counts] + p["state_gap"][last] + p["kind"][1])

    def _outputs(self) -> tuple[Floats, Floats]:
        """Embeddings [n, d] and biases [n] as scored, with the content's part; kept until the next step."""
        if self._scored is None:
            if self.content is None:
                self._scored = (self._p["embedding"], self._p["bias"])
            else:
                self._scored = (
                    self._p["embedding"] + self.content @ self._p["content_map"],
                    self._p["bias"] + self.content @ self._p["content_bias"],
                )
        return self._scored

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        histories: Sequence[History],
        *,
        epochs: int,
        seed: int,
        learning_rate: float | None = None,
    ) -> float:
        """Train on all targets of `histories` from the present weights; the last epoch's mean loss.

        The rate stays for 70 % of the fit, then falls linearly to `final_rate` of it; a refit
        passes `settings.refit_rate`.
        """
        s = self.settings
        rng = np.random.default_rng(seed)
        rate = s.learning_rate if learning_rate is None else learning_rate
        histories = [h for h in histories if h.first_target < len(h.items)]
        weights = target_weights(histories, s)
        for h in histories:
            self._seen[h.items[h.first_target :]] = True
        directions = (True, False) if s.backwards else (False,)
        loss = math.nan
        for epoch in range(epochs):
            for backwards in directions:
                total = mass = 0.0
                prepared = [arrange(h, w, s, rng, backwards) for h, w in zip(histories, weights, strict=True)]
                chunks = list(chunks_of(prepared, s, rng))
                order = rng.permutation(len(chunks))
                for at in range(0, len(chunks), s.chunks_per_batch):
                    done = (epoch + at / len(chunks)) / epochs
                    fall = max(s.final_rate, 1 - max(0.0, done - 0.7) / 0.3)
                    picked = [chunks[k] for k in order[at : at + s.chunks_per_batch]]
                    part, weight = self._train(batch_of(prepared, picked, s, rng), rate * fall, rng)
                    total += part
                    mass += weight
                loss = total / max(mass, 1e-9)
        return loss

    def _columns(self, batch: Batch, rng: np.random.Generator) -> tuple[Ints | None, Floats | None]:
        """Items in the softmax (None: all) and the correction added to their scores (None: 0)."""
        s = self.settings
        if self.items <= s.full_softmax:
            return None, None
        wanted = np.unique(batch.targets)
        drawn = np.setdiff1d(rng.integers(0, self.items, s.sampled), wanted)
        columns = np.concatenate([wanted, drawn])
        stands_for = np.log(max(self.items - len(wanted), 1) / max(len(drawn), 1))
        correction = np.r_[np.zeros(len(wanted)), np.full(len(drawn), stands_for)].astype(np.float32)
        order = np.argsort(columns)
        return columns[order], correction[order]

    def _train(self, batch: Batch, rate: float, rng: np.random.Generator) -> tuple[float, float]:
        """One Adam step; the summed loss and the summed weight."""
        columns, correction = self._columns(batch, rng)
        mask = None
        if self.settings.dropout > 0:
            shape = (len(batch.targets), self.settings.dimension)
            keep = rng.random(shape, np.float32) >= self.settings.dropout
            mask = keep.astype(np.float32) / np.float32(1 - self.settings.dropout)
        loss, gradients, rows = self.loss_and_gradients(batch, columns, correction, mask)
        self._adam.step(gradients, rows, _BY_ITEM, rate)
        self._scored = None
        return loss, float(batch.weights.sum())

    def loss_and_gradients(
        self, batch: Batch, columns: Ints | None, correction: Floats | None, mask: Floats | None
    ) -> tuple[float, dict[str, Floats], Ints | None]:
        """See `models.sequence.gradients.loss_and_gradients`, at the present weights."""
        return loss_and_gradients(self._p, self.content, self._outputs(), batch, columns, correction, mask)
