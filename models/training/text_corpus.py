"""Pseudo-sentences made of a vocabulary alone: text to distil from that nobody wrote.

Words are drawn around one to three topics (a word and its neighbours in the teacher's space) and mixed with
frequent and arbitrary ones, so that the teacher sees what real text has: a subject, repetition, filler.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.common import Floats, unit

Ids = NDArray[np.int64]

NEIGHBOURS = 60
# BERT's vocabulary lists words by falling frequency after its single characters, which end here.
FIRST_WORD_ID = 1996


def word_ids(vocabulary: list[str]) -> tuple[Ids, Ids]:
    """The ids of whole words and of continuations (``##ing``), both alphabetic."""
    words = [i for i, token in enumerate(vocabulary) if i >= FIRST_WORD_ID and token.isalpha()]
    parts = [i for i, token in enumerate(vocabulary) if token.startswith("##") and token[2:].isalpha()]
    return np.array(words), np.array(parts)


def zipf(ids: Ids) -> NDArray[np.float64]:
    """The probability of each id by its rank in the vocabulary (Zipf's law, shifted as Mandelbrot's)."""
    weights = 1.0 / (np.maximum(ids - FIRST_WORD_ID, 0) + 10.0)
    return np.asarray(weights / weights.sum())


def neighbours(vectors: Floats) -> Ids:
    """Each row's ``NEIGHBOURS`` nearest rows by cosine, itself first: [n, NEIGHBOURS]."""
    rows = unit(vectors)
    nearest = np.empty((len(rows), NEIGHBOURS), np.int64)
    for start in range(0, len(rows), 1000):
        similar = rows[start : start + 1000] @ rows.T
        top = np.argpartition(-similar, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        order = np.argsort(-np.take_along_axis(similar, top, axis=1), axis=1)
        nearest[start : start + 1000] = np.take_along_axis(top, order, axis=1)
    return nearest


def pseudo_sentences(
    vocabulary: list[str], token_vectors: Floats, tokens: int, rng: np.random.Generator
) -> list[Ids]:
    """Token ids of pseudo-sentences, about ``tokens`` in all, 2 to 96 each, most of them short."""
    words, parts = word_ids(vocabulary)
    frequency = zipf(words)
    nearest = words[neighbours(token_vectors[words])]
    sentences: list[Ids] = []
    made = 0
    while made < tokens:
        length = int(np.clip(rng.lognormal(2.5, 0.8), 2, 96))
        topics = rng.integers(0, len(words), rng.integers(1, 4))
        kind = rng.random(length)
        topical = nearest[topics[rng.integers(0, len(topics), length)], rng.integers(0, NEIGHBOURS, length)]
        sentence = np.where(kind < 0.55, topical, rng.choice(words, length, p=frequency))
        sentence = np.where(kind > 0.88, rng.choice(words, length), sentence)
        # a continuation follows a word, as in names that the vocabulary lacks
        split = np.flatnonzero((kind > 0.94) & (np.arange(length) > 0))
        sentence[split] = rng.choice(parts, len(split))
        sentences.append(sentence)
        made += length
    return sentences
