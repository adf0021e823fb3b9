"""Rows of words turned by their contexts: what skip-gram learns, brought back into an encoder's table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.sequence.negative_sampling import Floats, Ints
from models.sequence.skip_gram import Corpus, SkipGram, SkipGramSettings

OnProgress = Callable[[str, int, int | None], None]

# A row that is shorter says nothing: of punctuation, and of special tokens.
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True, slots=True)
class OwnWordsSettings:
    """What is added, and how far it may go from what was known."""

    new_words: int = 2_000
    """At most."""
    least_count: int = 3
    """How often a word has to be met to be added."""
    pull_known: float = 30_000.0
    """Of words that the encoder had, see `SkipGram`; infinite: they stay."""
    pull_new: float = 30.0
    """Of words that are added."""
    epochs: int = 5
    most_texts: int = 50_000
    """Of more, as many are drawn: with `most_tokens` this bounds memory and time."""
    most_tokens: int = 1_000_000
    """Texts after those that hold as many are left out of the contexts."""


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """A table, float32 [words, d], and how well contexts are told by it.

    Attributes:
        rows: Each as long as it was; of words that were not met, as they were.
        losses: The mean loss of a pair in each epoch.
        context_loss_before: Of pairs of held-out texts, by context vectors that were learned as long for the
            rows as they were; NaN where nothing is held out.
        context_loss: The same by these rows, and those learned with them.
    """

    rows: Floats
    losses: list[float]
    context_loss_before: float
    context_loss: float


def train_rows(
    start: Floats,
    is_new: NDArray[np.bool_],
    learned: Sequence[Ints],
    held_out: Sequence[Ints],
    settings: OwnWordsSettings,
    seed: int,
    on_progress: OnProgress = lambda what, done, total: None,
) -> TrainedRows:
    """Turn the rows of the words that texts hold.

    Args:
        start: The table to begin with, [words, d].
        is_new: Which words were added, [words].
        learned: Texts as rows of words.
        held_out: Others, to measure on.
        settings: How far.
        seed: Of everything random.
        on_progress: Told what is being done, how much of it is done, and of how much.

    Raises:
        TrainingError: No text holds a word that says something.
    """
    learned = _first(learned, settings.most_tokens)
    held_out = _first(held_out, settings.most_tokens)
    lengths = np.linalg.norm(start, axis=1)
    met = np.zeros(len(start), np.bool_)
    for text in learned:
        met[text] = True
    met &= lengths > _LEAST_LENGTH
    words = np.flatnonzero(met)
    if not len(words):
        raise TrainingError("no text holds a word that the encoder knows: there is nothing to learn from")
    place = np.full(len(start), -1, np.int64)
    place[words] = np.arange(len(words))
    corpus, others = (
        Corpus.of([places[places >= 0] for places in (place[text] for text in texts)])
        for texts in (learned, held_out)
    )
    chosen = replace(SkipGramSettings(), epochs=settings.epochs)
    directions = np.asarray(start[words] / lengths[words, None], np.float32)

    def fitted(pull: Floats, what: str) -> tuple[SkipGram, list[float], float]:
        model = SkipGram(directions, is_new[words], pull, chosen)
        losses = model.fit(corpus, seed, lambda done, total: on_progress(what, done, total))
        return model, losses, model.loss(others, seed)

    stays = np.full(len(words), np.inf, np.float32)
    _, _, loss_before = fitted(stays, "contexts of words as they were")
    pull = np.where(is_new[words], np.float32(settings.pull_new), np.float32(settings.pull_known))
    model, losses, loss = fitted(pull, "training words")
    rows = start.copy()
    turned = ~np.isinf(pull)
    rows[words[turned]] = (model.directions * lengths[words, None])[turned]
    return TrainedRows(rows, losses, loss_before, loss)


def _first(texts: Sequence[Ints], most_tokens: int) -> Sequence[Ints]:
    """The first texts that have no more tokens together."""
    ends = np.cumsum([len(text) for text in texts])
    return texts[: int(np.searchsorted(ends, most_tokens, side="right"))]
