"""Histories as the sequence model trains on them: queries in chunks of consecutive targets, padded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.sequence.history import (
    GAP_EDGES,
    GAPS,
    GRADES,
    POSITION_EDGES,
    Floats,
    History,
    Ints,
    count_bucket,
)
from models.sequence.settings import SequenceSettings

Bools = NDArray[np.bool_]


class Arranged(NamedTuple):
    """A history as one epoch reads it; targets are entries `first` to `end`, `earlier` -1: unknown."""

    items: Ints
    grades: Ints
    seconds: Ints
    weights: Floats
    earlier: int
    first: int
    end: int


@dataclass(slots=True)
class Batch:
    """Queries [C, T] over histories [C, K]; `kept` is what a query may see, `visible` what it has had."""

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


def target_weights(histories: Sequence[History], settings: SequenceSettings) -> list[Floats]:
    """Weights float32 [t] of every history's entries as targets: by grade, and by age in targets."""
    s = settings
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


def arrange(
    h: History, weights: Floats, settings: SequenceSettings, rng: np.random.Generator, backwards: bool
) -> Arranged:
    """One history as an epoch reads it: at random within a second, and backwards where asked."""
    times = h.times_ms // 1000
    n = len(times)
    moved = times
    if settings.jitter_ms:
        moved = times + rng.integers(0, settings.jitter_ms // 1000 + 1, n)
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
    return Arranged(h.items[order], grades[order], times[order], weights[order], earlier, first, end)


def chunks_of(
    prepared: Sequence[Arranged], settings: SequenceSettings, rng: np.random.Generator
) -> Iterable[tuple[int, int, int]]:
    """(history, first, end) of the target chunks, cut at a random offset."""
    size = settings.chunk
    for k, h in enumerate(prepared):
        at = h.first - int(rng.integers(0, size))
        while at < h.end:
            a, b = max(at, h.first), min(at + size, h.end)
            if b > a:
                yield k, a, b
            at += size


def batch_of(
    prepared: Sequence[Arranged],
    chunks: Sequence[tuple[int, int, int]],
    settings: SequenceSettings,
    rng: np.random.Generator | None,
) -> Batch:
    """Queries of `chunks` with their histories, padded; entries are dropped where `rng` is given."""
    s = settings
    t = s.chunk
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
    return Batch(
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
