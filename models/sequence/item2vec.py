"""Item vectors from what is used close together: skip-gram with negative sampling, in NumPy.

Sources: Barkan and Koenigstein 2016, "Item2Vec" (items of a session as words, both directions);
Mikolov et al. 2013, "Distributed representations of words and phrases" (negative sampling, the noise
distribution count^power, a random window); Levy and Goldberg 2014 (a trained `in[a] · out[b]` is
log P(b | a) − log(k noise(b)), so that adding the log of the noise gives a conditional score); Kingma and
Ba 2015 (Adam).

All arrays are float32 unless said otherwise; item rows are int64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.sequence.negative_sampling import add_rows, draw_noise, noise_distribution, pair_gradients

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# Added to counts, so that the log of none is finite.
_UNUSED = np.float32(0.01)


class Entries(Protocol):
    """What is read of a history: `items` int64 [t] rows and `times_ms` int64 [t], oldest first."""

    @property
    def items(self) -> Ints:
        """Rows of items."""

    @property
    def times_ms(self) -> Ints:
        """When each was used."""

    @property
    def first_target(self) -> int:
        """Entries before this one were trained on before."""


@dataclass(frozen=True, slots=True)
class Item2VecSettings:
    """Sizes and training; the defaults were chosen on MovieLens-100K rows < 50,000."""

    dimension: int = 64
    window: int = 10
    """Largest distance of a pair in entries; distance k is kept with probability 1 − (k − 1) / window."""
    gap_ms: int = 1_800_000
    """Largest distance of a pair in time."""
    negatives: float = 10.0
    """Weight of the noise against a positive pair (k of skip-gram)."""
    noise_rows: int = 256
    """Noise items drawn for a batch and shared by its pairs."""
    power: float = 0.5
    batch: int = 2_048
    learning_rate: float = 0.01
    refit_rate: float = 0.003
    first_epochs: int = 8
    """Over all events, where it begins anew."""
    epochs: int = 2
    """Over the events since the last training, where it is trained on."""
    recent: int = 5
    """Newest entries that `scores` reads."""
    recency_s: float = 600.0
    """An entry weighs 1 / (1 + age / recency_s) in `scores`."""
    scale: float = 0.05


class Item2Vec:
    """Two vectors an item: as context (`inside`) and as what appears (`outside`)."""

    def __init__(self, items: int, settings: Item2VecSettings | None = None, *, seed: int = 0) -> None:
        """Fresh vectors float32 [items, d]: random inside, zero outside."""
        self.settings = settings or Item2VecSettings()
        rng = np.random.default_rng(seed)
        shape = (items, self.settings.dimension)
        self._p: dict[str, Floats] = {
            "inside": (rng.standard_normal(shape) * self.settings.scale).astype(np.float32),
            "outside": np.zeros(shape, np.float32),
            "counts": np.zeros(items, np.float32),
        }
        self._m = {name: np.zeros(shape, np.float32) for name in ("inside", "outside")}
        self._v = {name: np.zeros(shape, np.float32) for name in ("inside", "outside")}
        self._steps = 0
        self._noise: Floats | None = None

    @property
    def items(self) -> int:
        """How many item rows there are."""
        return len(self._p["counts"])

    def parameters(self) -> dict[str, Floats]:
        """`inside`, `outside` float32 [items, d] and `counts` float32 [items] (not copies)."""
        return dict(self._p)

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Floats], settings: Item2VecSettings | None = None
    ) -> Item2Vec:
        """The model that `parameters()` describes; Adam starts anew.

        Raises:
            ValueError: An array has another shape than the settings ask for.
            KeyError: One is missing.
        """
        model = cls(len(parameters["counts"]), settings)
        for name, value in model._p.items():
            given = np.array(parameters[name], np.float32)
            if given.shape != value.shape:
                raise ValueError(f"{name} has shape {given.shape}, the settings ask for {value.shape}")
            model._p[name] = given
        return model

    def rearranged(self, rows: Ints, *, seed: int) -> Item2Vec:
        """A model of these rows of this one, in this order, and a fresh item at each −1.

        Items that are not named are dropped: so it grows, and stays as small as it shall be.
        """
        model = Item2Vec(len(rows), self.settings, seed=seed)
        kept = rows >= 0
        for mine, theirs in ((self._p, model._p), (self._m, model._m), (self._v, model._v)):
            for name, values in mine.items():
                theirs[name][kept] = values[rows[kept]]
        model._steps = self._steps
        return model

    def fit(
        self,
        histories: Sequence[Entries],
        *,
        epochs: int,
        seed: int,
        learning_rate: float | None = None,
    ) -> float:
        """Train on pairs with at least one entry at or after `first_target`; the last epoch's mean loss.

        Counts of targets are added to those of the noise. Entries of one second are ordered at random.
        """
        s = self.settings
        rng = np.random.default_rng(seed)
        rate = s.learning_rate if learning_rate is None else learning_rate
        self._noise = None
        for h in histories:
            np.add.at(self._p["counts"], h.items[h.first_target :], 1)
        cumulative = noise_distribution(self._p["counts"].astype(np.float64) + float(_UNUSED), s.power)
        loss = math.nan
        for epoch in range(epochs):
            pairs = self._pairs(histories, rng)
            total = 0.0
            for at in range(0, len(pairs), s.batch):
                fall = 1 - 0.9 * (epoch + at / len(pairs)) / epochs
                drawn = draw_noise(cumulative, s.noise_rows, rng)
                total += self._train(pairs[at : at + s.batch], drawn, rate * fall)
            loss = total / max(len(pairs), 1)
        return loss

    def _pairs(self, histories: Sequence[Entries], rng: np.random.Generator) -> Ints:
        """Shuffled (context, appears) rows int64 [m, 2] of all sessions, both directions."""
        s = self.settings
        parts: list[Ints] = [np.zeros((0, 2), np.int64)]
        for h in histories:
            order = np.lexsort((rng.random(len(h.items)), h.times_ms // 1000))
            items, times, new = h.items[order], h.times_ms[order], order >= h.first_target
            for k in range(1, min(s.window, len(items) - 1) + 1):
                near = (times[k:] - times[:-k] <= s.gap_ms) & (new[k:] | new[:-k])
                near &= rng.random(len(near)) < 1 - (k - 1) / s.window
                a, b = items[:-k][near], items[k:][near]
                parts += [np.stack([a, b], 1), np.stack([b, a], 1)]
        pairs = np.concatenate(parts)
        return pairs[rng.permutation(len(pairs))]

    def _train(self, pairs: Ints, drawn: Ints, rate: float) -> float:
        """One Adam step on the logistic loss of pairs against shared noise; the summed loss."""
        s = self.settings
        p = self._p
        a, b, noise = p["inside"][pairs[:, 0]], p["outside"][pairs[:, 1]], p["outside"][drawn]
        weight = np.float32(s.negatives / len(drawn))
        loss, grad_a, grad_b, grad_noise = pair_gradients(a, b, noise, weight)
        n, d = self.items, s.dimension
        grad_in = np.zeros((n, d), np.float32)
        grad_out = np.zeros((n, d), np.float32)
        add_rows(grad_in, pairs[:, 0], grad_a)
        add_rows(grad_out, np.r_[pairs[:, 1], drawn], np.concatenate([grad_b, grad_noise]))
        self._steps += 1
        one, two = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        for name, g in (("inside", grad_in), ("outside", grad_out)):
            g /= np.float32(len(pairs))
            m, v = self._m[name], self._v[name]
            m *= np.float32(0.9)
            m += np.float32(0.1) * g
            v *= np.float32(0.999)
            v += np.float32(0.001) * (g * g)
            p[name] -= np.float32(rate / one) * m / (np.sqrt(v / np.float32(two)) + np.float32(1e-8))
        return loss

    def scores(self, entries: Ints, ages_s: NDArray[np.float64]) -> Floats:
        """log P(item | entry) up to a constant, for all items, float32 [items].

        With w_e = 1 / (1 + age_e / recency_s) of the `recent` newest entries e and counts n:
        `Σ w_e in[e] / Σ w_e · out[i] + power · log(n_i + 0.01)`.

        Args:
            entries: Rows, newest first, [n].
            ages_s: Of the entries, at least 0, [n].
        """
        s = self.settings
        if self._noise is None:
            self._noise = np.log(self._p["counts"] + _UNUSED) * np.float32(s.power)
        entries = entries[: s.recent]
        if not len(entries):
            return self._noise.copy()
        w = (1 / (1 + np.maximum(ages_s[: s.recent], 0) / s.recency_s)).astype(np.float32)
        x = (w / w.sum()) @ self._p["inside"][entries]
        score: Floats = self._p["outside"] @ x + self._noise
        return score
