"""Signals from what items are: how near their vectors lie to those of a person's items.

A fused vector holds a block for each modality; at unit length a block is that modality's vector. For the
blocks, ``b_i · mean of b_h`` over the entries made at once with the newest (page), over entries weighted
0.9^r, and for text over those of positive weight too. Zero where the modality is absent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.fusion.linear import BLOCK_ROWS
from models.retrieval.index import ItemIndex
from models.signals.situation import Situation

_BLOCKS = {name: BLOCK_ROWS[name] for name in ("text", "image", "audio") if name in BLOCK_ROWS}
NAMES = (
    "text_page",
    "text_recent",
    "text_liked",
    "image_page",
    "image_recent",
    "audio_page",
    "audio_recent",
    "created",
)


def content(
    situation: Situation,
    index: ItemIndex,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    recent: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The signals of candidates, float32 [signals, n].

    Args:
        situation: The person and moment.
        index: Holds the vectors.
        rows: Of the index: the candidates.
        vectors: Theirs, float32 [n, D].
        recent: Rows of the index of the person's recent entries, −1 where it has none.
    """
    signals = np.zeros((len(NAMES), len(rows)), np.float32)
    days = (situation.now_s - index.created_at_ms.take(rows) / 1_000.0) / 86_400.0
    np.log((np.maximum(days, 0.0) + 7.0).astype(np.float32), out=signals[-1])
    held = (recent >= 0).nonzero()[0]
    if not len(held) or not len(rows):
        return signals
    weights = _weightings(situation)[:, held]
    entries = index.vectors.take(recent[held], axis=0)
    at = 0
    for name, block in _BLOCKS.items():
        used = weights if name == "text" else weights[:2]
        means = (used / _lengths(entries[:, block])) @ entries[:, block]
        found = signals[at : at + len(used)]
        np.divide(means @ vectors[:, block].T, _lengths(vectors[:, block]), out=found)
        at += len(used)
    return signals


def _weightings(situation: Situation) -> NDArray[np.float32]:
    weights = np.empty((3, len(situation.recent)))
    weights[0] = situation.last_page
    weights[1] = 0.9**situation.ranks
    weights[2] = weights[1] * (situation.recent.weights > 0)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9), np.float32)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(np.sqrt(np.vecdot(vectors, vectors)), np.float32(1e-6)), np.float32)
