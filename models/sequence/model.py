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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Upper edges (exclusive, seconds) of the gap buckets; the first bucket is "within the same second".
GAP_EDGES: Ints = np.array(
    [1, 6, 16, 31, 61, 121, 301, 601, 1801, 3601, 14401, 86401, 259201, 604801, 2592001], np.int64
)
#: Upper edges (exclusive) of the buckets of positions, counted 1, 2, … from the newest entry.
POSITION_EDGES: Ints = np.array([2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51, 101, 201], np.int64)
GAPS = len(GAP_EDGES) + 1
POSITIONS = len(POSITION_EDGES) + 1
GRADES = 6
COUNTS = 48
#: Scale in seconds at which each head's gap table starts; reused in turn for further heads.
_HEAD_SCALES = (20.0, 600.0, 86_400.0, 1e9, 60.0, 3_600.0, 604_800.0, 1e9)


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """Sizes and training of a `SequenceModel`; the defaults were chosen on MovieLens-100K rows < 50,000."""

    dimension: int = 96
    heads: int = 4
    window: int = 100
    """Newest entries of a history that are read."""
    chunk: int = 32
    """Consecutive targets of one person that share a gathered history in a batch."""
    chunks_per_batch: int = 8
    learning_rate: float = 3e-3
    refit_rate: float = 1e-3
    final_rate: float = 0.1
    """Fraction of the rate reached at the end of a fit."""
    decay: float = 0.0
    """Decoupled weight decay of embeddings and maps, as a fraction of the rate."""
    dropout: float = 0.5
    """Share of the coordinates of x dropped in training (inverted dropout)."""
    entry_dropout: float = 0.2
    """Share of history entries dropped in training."""
    positive_grade: int = 4
    low_weight: float = 0.3
    """Weight of targets below `positive_grade`."""
    half_life: float = 0.0
    """Targets after which a target's weight has halved; 0 for no forgetting."""
    jitter_ms: int = 10_000
    """Random delay of each entry before ordering in training, so that order at this scale is not learned."""
    backwards: bool = True
    """Whether every epoch also reads the histories from their end to their start."""
    full_softmax: int = 5_000
    """Largest catalogue whose every item is a negative; above it negatives are sampled."""
    sampled: int = 2_048
    """Uniform negatives a batch above `full_softmax` items."""
    scale: float = 0.05
    """Standard deviation of initial embeddings."""


@dataclass(frozen=True, slots=True)
class History:
    """One person's entries, oldest first.

    `items` int64 [t] rows; `grades` int64 [t] in 0..5; `times_ms` int64 [t], not decreasing;
    `first_target`: entries from here on are training targets, earlier ones are context only;
    `earlier`: how many entries this person had before the first one given.
    """

    items: Ints
    grades: Ints
    times_ms: Ints
    first_target: int = 0
    earlier: int = 0


class _Arranged(NamedTuple):
    """A history as one epoch reads it; targets are entries `first` to `end`, `earlier` -1: unknown."""

    items: Ints
    grades: Ints
    seconds: Ints
    weights: Floats
    earlier: int
    first: int
    end: int


@dataclass(slots=True)
class _Batch:
    """Queries [C, T] over histories [C, K]; `kept` is what a query may see, `banned` what it has had."""

    items: Ints
    grades: Ints
    gaps: Ints  # gap buckets [C, T, K]
    positions: Ints  # position buckets [C, T, K]
    kept: Bools  # [C, T, K]
    visible: Bools  # [C, T, K]
    counts: Ints  # [C, T]
    last_gaps: Ints  # [C, T]
    kinds: Ints  # [C, T]
    targets: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


def count_bucket(counts: Ints) -> Ints:
    """Bucket int64 of how many entries a person has had: exact to 19, then four a doubling; -1: unknown."""
    large = 20 + (np.log2(np.maximum(counts, 20) / 20) * 4).astype(np.int64)
    known = np.where(counts < 20, counts, np.minimum(large, COUNTS - 2))
    return np.where(counts < 0, COUNTS - 1, known).astype(np.int64)


def _segment_sum(index: Ints, values: Floats, size: int) -> Floats:
    """Sum of `values` [m, d] by `index` [m] into float32 [size, d]."""
    out = np.zeros((size, values.shape[1]), np.float32)
    if len(index):
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        out[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)
    return out


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
        self._m = {k: np.zeros_like(v) for k, v in self._p.items()}
        self._v = {k: np.zeros_like(v) for k, v in self._p.items()}
        window = np.arange(self.settings.window, 0, -1)
        self._place: Ints = np.searchsorted(POSITION_EDGES, window, side="right")
        self._steps = 0
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
            out.update({f"m.{k}": v for k, v in self._m.items()})
            out.update({f"v.{k}": v for k, v in self._v.items()})
            out["steps"] = np.array(self._steps)
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
                model._m[name] = np.array(parameters[f"m.{name}"], np.float32)
                model._v[name] = np.array(parameters[f"v.{name}"], np.float32)
        model._seen = np.array(parameters["seen"], np.bool_)
        model._steps = int(parameters.get("steps", np.array(0)))
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
            (self._m, {"embedding": np.zeros_like(fresh), "bias": np.zeros(more, np.float32)}),
            (self._v, {"embedding": np.zeros_like(fresh), "bias": np.zeros(more, np.float32)}),
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
        weights = self._target_weights(histories)
        for h in histories:
            self._seen[h.items[h.first_target :]] = True
        directions = (True, False) if s.backwards else (False,)
        loss = math.nan
        for epoch in range(epochs):
            for backwards in directions:
                total = mass = 0.0
                prepared = [
                    self._arrange(h, w, rng, backwards) for h, w in zip(histories, weights, strict=True)
                ]
                chunks = list(self._chunks(prepared, rng))
                order = rng.permutation(len(chunks))
                for at in range(0, len(chunks), s.chunks_per_batch):
                    done = (epoch + at / len(chunks)) / epochs
                    fall = max(s.final_rate, 1 - max(0.0, done - 0.7) / 0.3)
                    picked = [chunks[k] for k in order[at : at + s.chunks_per_batch]]
                    part, weight = self._train(self._batch(prepared, picked, rng), rate * fall, rng)
                    total += part
                    mass += weight
                loss = total / max(mass, 1e-9)
        return loss

    def partial_fit(
        self, histories: Sequence[History], *, seed: int, learning_rate: float | None = None
    ) -> float:
        """One step on the last target of each history (the new event, with some replayed); mean loss."""
        rng = np.random.default_rng(seed)
        s = self.settings
        prepared = []
        for h in histories:
            earlier = h.earlier + max(0, len(h.items) - s.window - 1)
            items, times = h.items[-s.window - 1 :], h.times_ms[-s.window - 1 :] // 1000
            grades = np.clip(h.grades[-s.window - 1 :], 0, GRADES - 1)
            w = np.where(grades >= s.positive_grade, 1.0, s.low_weight).astype(np.float32)
            prepared.append(_Arranged(items, grades, times, w, earlier, len(items) - 1, len(items)))
            self._seen[items[-1]] = True
        chunks = [(k, h.first, h.end) for k, h in enumerate(prepared)]
        rate = s.refit_rate if learning_rate is None else learning_rate
        loss, weight = self._train(self._batch(prepared, chunks, rng, length=1), rate, rng)
        return loss / max(weight, 1e-9)

    def _target_weights(self, histories: Sequence[History]) -> list[Floats]:
        """Weights float32 [t] of every history's entries as targets: by grade, and by age in targets."""
        s = self.settings
        times = [h.times_ms[h.first_target :] for h in histories]
        every = np.sort(np.concatenate(times)) if times else np.zeros(0, np.int64)
        out = []
        for h in histories:
            w = np.where(h.grades >= s.positive_grade, 1.0, s.low_weight)
            if s.half_life > 0:
                later = len(every) - np.searchsorted(every, h.times_ms, side="right")
                w = w * np.exp2(-later / s.half_life)
            out.append(w.astype(np.float32))
        return out

    def _arrange(self, h: History, weights: Floats, rng: np.random.Generator, backwards: bool) -> _Arranged:
        """One history as an epoch reads it: at random within a second, and backwards where asked."""
        times = h.times_ms // 1000
        n = len(times)
        moved = times
        if self.settings.jitter_ms:
            moved = times + rng.integers(0, self.settings.jitter_ms // 1000 + 1, n)
            # Context stays before targets.
            border = times[h.first_target]
            moved[: h.first_target] = np.minimum(moved[: h.first_target], border)
        order = np.lexsort((rng.random(n), np.arange(n) >= h.first_target, moved))
        grades = np.clip(h.grades, 0, GRADES - 1)
        if backwards:
            order = order[::-1]
            times = -times
        first, end = (0, n - h.first_target) if backwards else (h.first_target, n)
        earlier = -1 if backwards else h.earlier
        return _Arranged(h.items[order], grades[order], times[order], weights[order], earlier, first, end)

    def _chunks(
        self,
        prepared: Sequence[_Arranged],
        rng: np.random.Generator,
    ) -> Iterable[tuple[int, int, int]]:
        """(history, first, end) of the target chunks, cut at a random offset."""
        size = self.settings.chunk
        for k, h in enumerate(prepared):
            at = h.first - int(rng.integers(0, size))
            while at < h.end:
                a, b = max(at, h.first), min(at + size, h.end)
                if b > a:
                    yield k, a, b
                at += size

    def _batch(
        self,
        prepared: Sequence[_Arranged],
        chunks: Sequence[tuple[int, int, int]],
        rng: np.random.Generator | None,
        length: int | None = None,
    ) -> _Batch:
        """Queries of `chunks` with their histories, padded; entries are dropped where `rng` is given."""
        s = self.settings
        t = length or s.chunk
        lows = [max(0, a - s.window) for _, a, _ in chunks]
        k = max(b - low for (_, _, b), low in zip(chunks, lows, strict=True))
        c = len(chunks)
        items = np.zeros((c, k), np.int64)
        grades = np.zeros((c, k), np.int64)
        times = np.zeros((c, k), np.int64)
        at = np.zeros((c, t), np.int64)
        weights = np.zeros((c, t), np.float32)
        counts = np.zeros((c, t), np.int64)
        for row, ((which, a, b), low) in enumerate(zip(chunks, lows, strict=True)):
            h, n = prepared[which], b - low
            items[row, :n], grades[row, :n], times[row, :n] = (
                h.items[low:b],
                h.grades[low:b],
                h.seconds[low:b],
            )
            at[row] = np.minimum(np.arange(a, a + t), b - 1) - low
            weights[row, : b - a] = h.weights[a:b]
            counts[row] = -1 if h.earlier < 0 else at[row] + low + h.earlier
        distance = at[:, :, None] - np.arange(k)
        visible = (distance > 0) & (distance <= s.window)
        now = np.take_along_axis(times, at, 1)
        gap = np.maximum(now[:, :, None] - times[:, None, :], 0)
        gaps = np.searchsorted(GAP_EDGES, gap, side="right")
        last = np.take_along_axis(gaps, np.maximum(at - 1, 0)[:, :, None], 2)[:, :, 0]
        kept = visible
        if rng is not None and s.entry_dropout > 0:
            kept = visible & (rng.random(visible.shape, np.float32) >= s.entry_dropout)
        return _Batch(
            items=items,
            grades=grades,
            gaps=gaps,
            positions=np.searchsorted(POSITION_EDGES, np.maximum(distance, 1), side="right"),
            kept=kept,
            visible=visible,
            counts=count_bucket(counts),
            last_gaps=np.where(at > 0, last, GAPS - 1),
            kinds=(np.take_along_axis(grades, at, 1) >= s.positive_grade).astype(np.int64),
            targets=np.take_along_axis(items, at, 1).ravel(),
            weights=weights.ravel(),
        )

    def _columns(self, batch: _Batch, rng: np.random.Generator) -> tuple[Ints | None, Floats | None]:
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

    def _train(self, batch: _Batch, rate: float, rng: np.random.Generator) -> tuple[float, float]:
        """One Adam step; the summed loss and the summed weight."""
        columns, correction = self._columns(batch, rng)
        mask = None
        if self.settings.dropout > 0:
            shape = (len(batch.targets), self.settings.dimension)
            keep = rng.random(shape, np.float32) >= self.settings.dropout
            mask = keep.astype(np.float32) / np.float32(1 - self.settings.dropout)
        loss, gradients, rows = self.loss_and_gradients(batch, columns, correction, mask)
        self._step(gradients, rows, rate)
        return loss, float(batch.weights.sum())

    def loss_and_gradients(
        self, batch: _Batch, columns: Ints | None, correction: Floats | None, mask: Floats | None
    ) -> tuple[float, dict[str, Floats], Ints | None]:
        """Summed weighted cross-entropy, gradients of its weighted mean, rows they are for (None: all).

        `columns` int64 [m], sorted: the items in the softmax; `correction` float32 [m]; `mask`
        float32 [queries, d]: multiplies x (dropout). Items a query has in its window are no
        negatives. Gradients of `embedding` and `bias` have one row for each of `rows`.
        """
        p, d, h = self._p, self.settings.dimension, self.settings.heads
        c, t, _ = batch.kept.shape
        n = c * t
        embedding, bias = self._outputs()
        # forward
        logits = (p["gap"][:, batch.gaps] + p["position"][:, batch.positions]).transpose(1, 0, 2, 3)
        logits = logits + p["grade"][:, batch.grades].transpose(1, 0, 2)[:, :, None, :]
        e = np.exp(np.minimum(logits, 30.0)) * batch.kept[:, None]
        null = np.exp(p["null"])[None, :, None]
        norm = e.sum(-1) + null
        a = e / norm[..., None]
        keys = embedding[batch.items]
        u = a @ keys[:, None]
        gate = (1 + p["gate_count"][batch.counts] + p["gate_gap"][batch.last_gaps]).transpose(0, 2, 1)
        mixed = (u * gate[..., None]).transpose(0, 2, 1, 3).reshape(n, h * d)
        counts, lasts, kinds = batch.counts.ravel(), batch.last_gaps.ravel(), batch.kinds.ravel()
        x = mixed @ p["map"] + p["state_count"][counts] + p["state_gap"][lasts] + p["kind"][kinds]
        if mask is not None:
            x = x * mask
        out_e = embedding if columns is None else embedding[columns]
        s = x @ out_e.T + (bias if columns is None else bias[columns])
        if correction is not None:
            s += correction
        width = s.shape[1]
        ci, ti, ki = np.nonzero(batch.visible)
        had = batch.items[ci, ki]
        query = ci * t + ti
        if columns is None:
            target = batch.targets
        else:
            target = np.searchsorted(columns, batch.targets)
            place = np.minimum(np.searchsorted(columns, had), width - 1)
            found = columns[place] == had
            query, had = query[found], place[found]
        again = had == target[query]  # a repeated item is never banned as its own target
        s[query[~again], had[~again]] = -1e9
        # softmax cross-entropy
        s -= s.max(1, keepdims=True)
        np.exp(s, out=s)
        s /= s.sum(1, keepdims=True)
        each = np.arange(n)
        loss = float(-(np.log(s[each, target] + 1e-12) * batch.weights).sum())
        s[each, target] -= 1
        s *= (batch.weights / max(float(batch.weights.sum()), 1e-9))[:, None]
        # backward
        g: dict[str, Floats] = {}
        d_bias = s.sum(0)
        d_out = s.T @ x
        dx = s @ out_e
        if mask is not None:
            dx *= mask
        g["state_count"] = _segment_sum(counts, dx, COUNTS)
        g["state_gap"] = _segment_sum(lasts, dx, GAPS)
        g["kind"] = _segment_sum(kinds, dx, 2)
        g["map"] = mixed.T @ dx
        d_mixed = (dx @ p["map"].T).reshape(c, t, h, d).transpose(0, 2, 1, 3)
        d_gate = (d_mixed * u).sum(-1).transpose(0, 2, 1).reshape(n, h)
        g["gate_count"] = _segment_sum(counts, d_gate, COUNTS)
        g["gate_gap"] = _segment_sum(lasts, d_gate, GAPS)
        du = d_mixed * gate[..., None]
        d_keys = (a.transpose(0, 1, 3, 2) @ du).sum(1)
        da = du @ keys.transpose(0, 2, 1)[:, None]
        dot = (a * da).sum(-1)
        dl = (a * (da - dot[..., None])).transpose(1, 0, 2, 3).reshape(h, -1)
        g["null"] = -(dot * (null / norm)).sum((0, 2))
        cell = (batch.gaps * POSITIONS + batch.positions) * GRADES + batch.grades[:, None, :]
        size = GAPS * POSITIONS * GRADES
        table = np.stack([np.bincount(cell.ravel(), weights=dl[j], minlength=size) for j in range(h)])
        table = table.reshape(h, GAPS, POSITIONS, GRADES).astype(np.float32)
        g["gap"], g["position"], g["grade"] = table.sum((2, 3)), table.sum((1, 3)), table.sum((1, 2))
        if columns is None:
            g["embedding"] = d_out + _segment_sum(batch.items.ravel(), d_keys.reshape(-1, d), self.items)
            g["bias"] = d_bias
            rows = None
        else:
            rows, inverse = np.unique(np.concatenate([columns, batch.items.ravel()]), return_inverse=True)
            g["embedding"] = _segment_sum(inverse, np.concatenate([d_out, d_keys.reshape(-1, d)]), len(rows))
            g["bias"] = np.zeros(len(rows), np.float32)
            g["bias"][inverse[: len(columns)]] = d_bias
        if self.content is not None:
            content = self.content if rows is None else self.content[rows]
            g["content_map"] = content.T @ g["embedding"]
            g["content_bias"] = content.T @ g["bias"]
        return loss, g, rows

    def _step(self, gradients: Mapping[str, Floats], rows: Ints | None, rate: float) -> None:
        """Adam (Kingma and Ba 2015) with decoupled decay; only `rows` of embeddings and biases move."""
        self._steps += 1
        one = np.float32(1 - 0.9**self._steps)
        two = np.float32(1 - 0.999**self._steps)
        for name, g in gradients.items():
            p, m, v = self._p[name], self._m[name], self._v[name]
            part = rows is not None and name in ("embedding", "bias")
            mm, vv = (m[rows], v[rows]) if part else (m, v)
            mm *= np.float32(0.9)
            mm += np.float32(0.1) * g
            vv *= np.float32(0.999)
            vv += np.float32(0.001) * (g * g)
            move = np.sqrt(vv / two)
            move += np.float32(1e-8)
            np.divide(mm, move, out=move)
            move *= np.float32(rate) / one
            if self.settings.decay and name in ("embedding", "map"):
                move += np.float32(rate * self.settings.decay) * (p[rows] if part else p)
            if part:
                m[rows], v[rows] = mm, vv
                p[rows] -= move
            else:
                p -= move
        self._scored = None
