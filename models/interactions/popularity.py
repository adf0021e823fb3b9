"""How often items are used: lately, at all, by how much of a history people have, and how they are liked.

Counts fade as ``exp(−age / a)``. They are kept as ``Σ exp((t − t₀) / a)``, so that an event touches one
item, and are divided by ``exp((now − t₀) / a)`` when they are read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
# 6 hours, 2, 10 and 60 days.
SPANS_S = np.array([0.25, 2.0, 10.0, 60.0]) * DAY_S
_STAGE_SPAN_S = 43.0 * DAY_S
STAGES = 24
# A return to it after so long begins a new visit.
VISIT_GAP_S = 1_800.0
_MAX_EXPONENT = 50.0
Values = NDArray[np.float64]
Rows = NDArray[np.int64] | slice


def stage(events: int) -> int:
    """The stage of a person: two for every doubling of events + 1, so that the first few are apart."""
    return int(_stages(np.array(events)))


def _stages(events: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.minimum(2.0 * np.log2(events + 1.0), STAGES - 1), np.int64)


class Popularity:
    """Counts of items by row."""

    def __init__(self) -> None:
        self._rows = 256
        self._recent: Values = np.zeros((len(SPANS_S), self._rows))
        self._at_stage: Values = np.zeros((STAGES, self._rows))
        self._at_return: Values = np.zeros(self._rows)
        self._origins_s: Values = np.zeros(len(SPANS_S))
        self._stage_origin_s = 0.0
        self._begun = False
        # Up to then no origin has to move.
        self._settled_until_s = -np.inf
        self.count = np.zeros(self._rows)
        self.positives = np.zeros(self._rows)
        self.weight_sum = np.zeros(self._rows)
        self.first_s = np.full(self._rows, np.inf)
        self.last_s = np.full(self._rows, -np.inf)
        self.total = 0

    def grow(self, rows: int) -> None:
        """Make room for this many items."""
        if rows <= self._rows:
            return
        more = max(rows, self._rows * 2) - self._rows
        self._rows += more
        self._recent = np.pad(self._recent, ((0, 0), (0, more)))
        self._at_stage = np.pad(self._at_stage, ((0, 0), (0, more)))
        self._at_return = np.pad(self._at_return, (0, more))
        self.count = np.pad(self.count, (0, more))
        self.positives = np.pad(self.positives, (0, more))
        self.weight_sum = np.pad(self.weight_sum, (0, more))
        self.first_s = np.pad(self.first_s, (0, more), constant_values=np.inf)
        self.last_s = np.pad(self.last_s, (0, more), constant_values=-np.inf)

    def clear(self, row: int) -> None:
        """Forget an item: another has its row now."""
        for counts in (self._recent, self._at_stage):
            counts[:, row] = 0.0
        for counts in (self._at_return, self.count, self.positives, self.weight_sum):
            counts[row] = 0.0
        self.first_s[row], self.last_s[row] = np.inf, -np.inf

    def add(self, row: int, weight: float, time_s: float, events: int, gap_s: float | None) -> None:
        """Take in an event.

        Args:
            row: Of the item.
            weight: What it says of taste.
            time_s: When.
            events: Of this person before.
            gap_s: Since this person's event before; None where it is the first.
        """
        self._settle(time_s)
        self._recent[:, row] += np.exp((time_s - self._origins_s) / SPANS_S)
        growth = float(np.exp((time_s - self._stage_origin_s) / _STAGE_SPAN_S))
        self._at_stage[stage(events), row] += growth
        if gap_s is not None and gap_s > VISIT_GAP_S:
            self._at_return[row] += growth
        self.count[row] += 1.0
        self.positives[row] += weight > 0
        self.weight_sum[row] += weight
        self.first_s[row] = min(self.first_s[row], time_s)
        self.last_s[row] = max(self.last_s[row], time_s)
        self.total += 1

    def add_many(
        self,
        rows: NDArray[np.int64],
        weights: NDArray[np.float32],
        times_s: NDArray[np.float64],
        events: NDArray[np.int64],
        gaps_s: NDArray[np.float64],
    ) -> None:
        """Take in many events at once, as `add` does one: arrays [n], gaps infinite where there is none."""
        if not len(rows):
            return
        self._settle(float(times_s.max()))
        for recent, origin_s, span_s in zip(self._recent, self._origins_s, SPANS_S, strict=True):
            recent += np.bincount(rows, np.exp((times_s - origin_s) / span_s), self._rows)
        growth = np.exp((times_s - self._stage_origin_s) / _STAGE_SPAN_S)
        np.add.at(self._at_stage, (_stages(events), rows), growth)
        began = np.isfinite(gaps_s) & (gaps_s > VISIT_GAP_S)
        self._at_return += np.bincount(rows[began], growth[began], self._rows)
        self.count += np.bincount(rows, minlength=self._rows)
        self.positives += np.bincount(rows, weights > 0, self._rows)
        self.weight_sum += np.bincount(rows, weights, self._rows)
        np.minimum.at(self.first_s, rows, times_s)
        np.maximum.at(self.last_s, rows, times_s)
        self.total += len(rows)

    def remove(self, row: int, weight: float, time_s: float, events: int, gap_s: float | None) -> None:
        """Take back what `add` with the same arguments added; nothing falls below 0.

        When the item was first and last used stays: it may have been somebody else.
        """
        self._settle(time_s)
        added = np.exp((time_s - self._origins_s) / SPANS_S)
        self._recent[:, row] = np.maximum(self._recent[:, row] - added, 0.0)
        growth = float(np.exp((time_s - self._stage_origin_s) / _STAGE_SPAN_S))
        at = stage(events)
        self._at_stage[at, row] = max(self._at_stage[at, row] - growth, 0.0)
        if gap_s is not None and gap_s > VISIT_GAP_S:
            self._at_return[row] = max(self._at_return[row] - growth, 0.0)
        self.count[row] = max(self.count[row] - 1.0, 0.0)
        self.positives[row] = max(self.positives[row] - (weight > 0), 0.0)
        self.weight_sum[row] -= weight
        self.total = max(self.total - 1, 0)

    def recent(self, rows: Rows, now_s: float) -> Values:
        """Events of these items within the spans, [spans, n]."""
        self._settle(now_s)
        # Held back as of a moment long before the newest event, where nothing of its time is left.
        shrink = np.exp(np.minimum((self._origins_s - now_s) / SPANS_S, _MAX_EXPONENT))
        recent = self._recent[:, rows] if isinstance(rows, slice) else self._recent.take(rows, axis=1)
        return recent * shrink[:, None]

    def recent_in(self, span: int, rows: Rows, now_s: float) -> Values:
        """As `recent`, within one of the spans alone, [n]."""
        self._settle(now_s)
        shrink = np.exp(np.minimum((self._origins_s[span] - now_s) / SPANS_S[span], _MAX_EXPONENT))
        return np.asarray(self._recent[span, rows] * shrink)

    def most_recent_in(self, span: int, now_s: float) -> float:
        """The largest of `recent_in`."""
        self._settle(now_s)
        shrink = np.exp(min((self._origins_s[span] - now_s) / SPANS_S[span], _MAX_EXPONENT))
        return float(self._recent[span].max() * shrink)

    def at_stage(self, rows: Rows, now_s: float, events: int) -> Values:
        """Events of these items by people at this stage, and half those of the stages beside it, [n]."""
        self._settle(now_s)
        at = stage(events)
        counts = np.array(self._at_stage[at, rows])
        for beside in (at - 1, at + 1):
            if 0 <= beside < STAGES:
                counts += 0.5 * self._at_stage[beside, rows]
        return counts * self._stage_shrink(now_s)

    def at_return(self, rows: Rows, now_s: float) -> Values:
        """Events of these items that began a visit, [n]."""
        self._settle(now_s)
        return self._at_return[rows] * self._stage_shrink(now_s)

    def _stage_shrink(self, now_s: float) -> float:
        return float(np.exp(min((self._stage_origin_s - now_s) / _STAGE_SPAN_S, _MAX_EXPONENT)))

    def _settle(self, time_s: float) -> None:
        """Move the origins where growth would become too large."""
        if time_s <= self._settled_until_s:
            return
        if not self._begun:
            self._origins_s = np.full(len(SPANS_S), time_s)
            self._stage_origin_s = time_s
            self._begun = True
        exponents = (time_s - self._origins_s) / SPANS_S
        for span in np.flatnonzero(exponents > _MAX_EXPONENT):
            self._recent[span] *= np.exp(-exponents[span])
            self._origins_s[span] = time_s
        exponent = (time_s - self._stage_origin_s) / _STAGE_SPAN_S
        if exponent > _MAX_EXPONENT:
            self._at_stage *= np.exp(-exponent)
            self._at_return *= np.exp(-exponent)
            self._stage_origin_s = time_s
        self._settled_until_s = min(
            float((self._origins_s + _MAX_EXPONENT * SPANS_S).min()),
            self._stage_origin_s + _MAX_EXPONENT * _STAGE_SPAN_S,
        )
