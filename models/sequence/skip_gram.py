"""Directions of words from the words around them, near to directions that are known: NumPy.

Skip-gram with negative sampling (Mikolov et al. 2013, "Distributed representations of words and phrases"):
frequent words are left out at random, noise is drawn by count^¾, the window is of random size. Three things
differ. A word's own vector `u` stays at unit length, as here only its direction is learned; its context
vector is free. Each word has a start `u₀` to which it is pulled: to the loss of all its pairs together
comes `pull / 2 |u − u₀|²`, so that a word that was met often may go further than one that was met twice.
And what surrounds new words teaches them, but is not taught by them: context vectors are learned from known
words alone. Else the contexts would come to where a new word happens to begin, and it would stay there.

Unlike in `item2vec` steps touch only the rows of their batch (Adagrad with one sum a row; Duchi et al. 2011):
a vocabulary is large, and a batch meets few of its words.

All arrays are float32 unless said otherwise; word rows are int64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.sequence.negative_sampling import (
    Floats,
    Ints,
    draw_noise,
    noise_distribution,
    pair_gradients,
    summed_rows,
)

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SkipGramSettings:
    """How contexts are read and learned from."""

    window: int = 5
    """Largest distance of a pair in words; distance k is kept with probability 1 − (k − 1) / window."""
    negatives: float = 5.0
    """Weight of the noise against a pair (k of skip-gram)."""
    noise_rows: int = 256
    """Noise words drawn for a batch and shared by its pairs."""
    power: float = 0.75
    subsample: float = 1e-3
    """A word of frequency f is kept with probability √(subsample / f)."""
    batch: int = 512
    learning_rate: float = 0.25
    """Of context vectors."""
    turning_rate: float = 0.1
    """Of the words' directions."""
    epochs: int = 5


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts one after the other: the word of each place and the text that it is in, int64 [places]."""

    words: Ints
    texts: Ints

    @staticmethod
    def of(texts: Sequence[Ints]) -> Corpus:
        """Of texts as rows of words."""
        lengths = [len(text) for text in texts]
        words = np.concatenate([np.zeros(0, np.int64), *texts])
        return Corpus(words, np.repeat(np.arange(len(texts)), lengths))


class SkipGram:
    """A direction and a context vector a word.

    Args:
        start: Directions at unit length, [words, d].
        is_new: Which words are new, bool [words].
        pull: How strongly each is held to its start, in pairs, [words]; infinite: it stays.
        settings: See there.
    """

    def __init__(
        self,
        start: Floats,
        is_new: NDArray[np.bool_],
        pull: Floats,
        settings: SkipGramSettings | None = None,
    ) -> None:
        self.settings = settings or SkipGramSettings()
        self._start = start
        self._is_new = is_new
        self._pull = pull
        self.directions = start.copy()
        self._contexts = np.zeros_like(start)
        self._sums = {name: np.zeros(len(start), np.float32) for name in ("directions", "contexts")}
        self._cumulative: NDArray[np.float64] = np.zeros(0)

    def fit(
        self, corpus: Corpus, seed: int, on_progress: OnProgress = lambda done, total: None
    ) -> list[float]:
        """Learn from texts.

        Args:
            corpus: Has at least one word.
            seed: Of everything random.
            on_progress: Told how many epochs are done, and of how many.

        Returns:
            The mean loss of a pair in each epoch.
        """
        s = self.settings
        rng = np.random.default_rng(seed)
        counts = np.bincount(corpus.words, minlength=len(self._start))
        self._cumulative = noise_distribution(counts, s.power)
        losses = []
        for epoch in range(s.epochs):
            pairs = self._pairs(corpus, counts, rng)
            pull = self._pull / np.maximum(np.bincount(pairs[:, 0], minlength=len(counts)), 1)
            total = 0.0
            for at in range(0, len(pairs), s.batch):
                left = 1 - 0.9 * (epoch + at / len(pairs)) / s.epochs
                total += self._train(pairs[at : at + s.batch], pull.astype(np.float32), rng, left)
            losses.append(total / max(len(pairs), 1))
            on_progress(epoch + 1, s.epochs)
        return losses

    def loss(self, corpus: Corpus, seed: int) -> float:
        """The mean loss of a pair of other texts; NaN without pairs.

        Args:
            corpus: The texts.
            seed: Of which words are left out, of windows and of noise.
        """
        s = self.settings
        rng = np.random.default_rng(seed)
        pairs = self._pairs(corpus, np.bincount(corpus.words, minlength=len(self._start)), rng)
        total = 0.0
        for at in range(0, len(pairs), s.batch):
            batch = pairs[at : at + s.batch]
            drawn = draw_noise(self._cumulative, s.noise_rows, rng)
            total += self._gradients(batch, drawn)[0]
        return total / len(pairs) if len(pairs) else float("nan")

    def _pairs(self, corpus: Corpus, counts: Ints, rng: np.random.Generator) -> Ints:
        """Shuffled (word, word beside it) rows int64 [pairs, 2], both directions."""
        s = self.settings
        frequency = counts / max(counts.sum(), 1)
        kept_share = np.sqrt(s.subsample / np.maximum(frequency, 1e-12))
        kept = rng.random(len(corpus.words)) < kept_share[corpus.words]
        words, texts = corpus.words[kept], corpus.texts[kept]
        parts = [np.zeros((0, 2), np.int64)]
        for k in range(1, min(s.window, len(words) - 1) + 1):
            near = (texts[k:] == texts[:-k]) & (rng.random(len(words) - k) < 1 - (k - 1) / s.window)
            a, b = words[:-k][near], words[k:][near]
            parts += [np.stack([a, b], 1), np.stack([b, a], 1)]
        pairs = np.concatenate(parts)
        return pairs[rng.permutation(len(pairs))]

    def _gradients(self, pairs: Ints, drawn: Ints) -> tuple[float, Floats, Floats, Floats]:
        return pair_gradients(
            self.directions[pairs[:, 0]],
            self._contexts[pairs[:, 1]],
            self._contexts[drawn],
            np.float32(self.settings.negatives / len(drawn)),
        )

    def _train(self, pairs: Ints, pull: Floats, rng: np.random.Generator, left: float) -> float:
        """One step on a batch, at this share of the rates; the summed loss without the pull."""
        drawn = draw_noise(self._cumulative, self.settings.noise_rows, rng)
        is_new = self._is_new[pairs[:, 0]]
        loss = 0.0
        for part, teaches in ((pairs[~is_new], True), (pairs[is_new], False)):
            if not len(part):
                continue
            part_loss, of_words, of_contexts, of_noise = self._gradients(part, drawn)
            loss += part_loss
            if teaches:
                self._move_contexts(np.r_[part[:, 1], drawn], np.concatenate([of_contexts, of_noise]), left)
            self._turn(part[:, 0], of_words, pull, left)
        return loss

    def _move_contexts(self, words: Ints, gradients: Floats, left: float) -> None:
        index, gradient = summed_rows(words, gradients)
        self._contexts[index] -= self._step("contexts", index, gradient, self.settings.learning_rate * left)

    def _turn(self, words: Ints, gradients: Floats, pull: Floats, left: float) -> None:
        free = np.isfinite(pull[words])
        if not free.any():
            return
        words = words[free]
        held = pull[words, None] * (self.directions[words] - self._start[words])
        index, gradient = summed_rows(words, gradients[free] + held)
        # Along the sphere alone: a change of length would be taken back below.
        gradient -= (gradient * self.directions[index]).sum(1, keepdims=True) * self.directions[index]
        step = self._step("directions", index, gradient, self.settings.turning_rate * left)
        moved = self.directions[index] - step
        self.directions[index] = moved / np.linalg.norm(moved, axis=1, keepdims=True)

    def _step(self, name: str, index: Ints, gradient: Floats, rate: float) -> Floats:
        sums = self._sums[name]
        sums[index] += (gradient * gradient).mean(axis=1)
        return np.asarray(np.float32(rate) * gradient / (np.sqrt(sums[index])[:, None] + np.float32(1e-8)))
