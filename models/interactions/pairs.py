"""How often items meet in histories, by how near in time they do; what is summed, `pair_channels` tells.

A small catalogue is held as full matrices, a large one as the strongest neighbours of each item.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.interactions.lazy_zeros import copy_written, lazy_zeros
from models.interactions.pair_channels import (
    AGE_S,
    CHANNELS,
    EVER,
    NEAR_AFTER,
    NEAR_BEFORE,
    SESSION_AFTER,
    SESSION_BEFORE,
    Rows,
    Values,
    pair_weights,
)

# exp of this is far below the largest float32, and sums have room above it.
_MAX_EXPONENT = 40.0
# Of a full matrix, those that become rows of neighbours at once.
_BLOCK_ROWS = 256


class PairStatistics:
    """The channels above for items by row.

    Args:
        memory_bytes: For all channels. Full matrices are kept while they fit; then, for each row, as many
            neighbours as fit, ``neighbours`` at most.
        neighbours: See above.
        max_rows: Rows there will ever be, for which memory must suffice.
    """

    def __init__(self, memory_bytes: int, neighbours: int, max_rows: int) -> None:
        channels = len(CHANNELS)
        self._dense_rows = min(max_rows, math.isqrt(memory_bytes // (4 * channels)))
        self._neighbours = max(1, min(neighbours, memory_bytes // (max_rows * 4 * (channels + 1))))
        self._capacity = min(256, self._dense_rows)
        # Most pairs never happen, and add to few channels: memory is taken where something was written.
        self._dense: NDArray[np.float32] | None = lazy_zeros((channels, self._capacity, self._capacity))
        self._ids = np.zeros((0, 0), np.int32)
        self._values = np.zeros((channels, 0, 0), np.float32)
        self._sums = np.zeros((channels, self._capacity), np.float64)
        self._origin_s: float | None = None
        # The time that growth was last asked for, and growth then: it is asked for often at one time.
        self._grown: tuple[float, NDArray[np.float64]] = (math.nan, np.ones(channels))

    @property
    def dense(self) -> bool:
        """Whether all pairs are held, not only the strongest of each item."""
        return self._dense is not None

    def grow(self, rows: int) -> None:
        """Make room for this many rows."""
        if rows <= self._capacity:
            return
        if self._dense is not None and rows > self._dense_rows:
            self._to_table()
        capacity = max(rows, int(self._capacity * 1.5))
        if self._dense is not None:
            capacity = min(capacity, self._dense_rows)
            dense = lazy_zeros((len(CHANNELS), capacity, capacity))
            for matrix, into in zip(self._dense, dense, strict=True):
                copy_written(matrix, into)
            self._dense = dense
        else:
            more = capacity - self._capacity
            self._ids = np.concatenate([self._ids, np.full((more, self._neighbours), -1, np.int32)])
            values = lazy_zeros((len(CHANNELS), capacity, self._neighbours))
            for held, into in zip(self._values, values, strict=True):
                copy_written(held, into)
            self._values = values
        sums = np.zeros((len(CHANNELS), capacity))
        sums[:, : self._capacity] = self._sums
        self._sums, self._capacity = sums, capacity

    def clear(self, row: int) -> None:
        """Forget a row: another item has it now."""
        self._sums[:, row] = 0.0
        if self._dense is not None:
            self._dense[:, row, :] = 0.0
            self._dense[:, :, row] = 0.0
        else:
            self._ids[row] = -1
            self._values[:, row] = 0.0
            for begin in range(0, len(self._ids), 8_192):
                found = self._ids[begin : begin + 8_192] == row
                if found.any():
                    at = np.nonzero(found)
                    self._ids[begin + at[0], at[1]] = -1
                    self._values[:, begin + at[0], at[1]] = 0.0

    def add(
        self,
        row: int,
        partners: Rows,
        gaps_s: NDArray[np.float64],
        time_s: float,
    ) -> None:
        """Take in an event on ``row`` with the same person's earlier events.

        Args:
            row: Of the later event's item.
            partners: Rows of the earlier ones, each once and none of them ``row``, int64 [n].
            gaps_s: How long before, float64 [n].
            time_s: Of the later event.
        """
        if not len(partners):
            return
        growth = self._growth(time_s)[:, None]
        forward, backward = pair_weights(gaps_s)
        forward = (forward * growth).astype(np.float32)
        backward = (backward * growth).astype(np.float32)
        self._sums[:, partners] += forward
        self._sums[:, row] += backward.sum(axis=1)
        if self._dense is not None:
            # Most pairs are far apart, and add to few channels: elsewhere memory is not touched.
            channels, at = forward.nonzero()
            self._dense[channels, partners[at], row] += forward[channels, at]
            channels, at = backward.nonzero()
            self._dense[channels, row, partners[at]] += backward[channels, at]
        else:
            self._add_to_table(row, partners, forward, backward)

    def add_many(
        self, later: Rows, earlier: Rows, gaps_s: NDArray[np.float64], times_s: NDArray[np.float64]
    ) -> None:
        """Take in pairs of many events at once, as `add` does those of one.

        Where only the strongest neighbours are held, they are those by all of these pairs; `add` knows only
        what came before.

        Args:
            later: Rows of the later events' items, int64 [n].
            earlier: Rows of the earlier ones, each another than the later one's, int64 [n].
            gaps_s: How long before, float64 [n].
            times_s: Of the later events, float64 [n].
        """
        if not len(later):
            return
        for time_s in (float(times_s.min()), float(times_s.max())):
            self._growth(time_s)
        assert self._origin_s is not None
        forward, backward = pair_weights(gaps_s)
        ages_s, which = np.unique(AGE_S, return_inverse=True)
        for at, age_s in enumerate(ages_s):
            growth = np.exp(np.maximum((times_s - self._origin_s) / age_s, -_MAX_EXPONENT))
            forward[which == at] *= growth.astype(np.float32)
            backward[which == at] *= growth.astype(np.float32)
        for sums, ahead, back in zip(self._sums, forward, backward, strict=True):
            sums += np.bincount(earlier, ahead, len(sums)) + np.bincount(later, back, len(sums))
        if self._dense is None:
            rows, partners = np.concatenate([earlier, later]), np.concatenate([later, earlier])
            self._merge(rows, partners, np.concatenate([forward, backward], axis=1))
            return
        for matrix, ahead, back in zip(self._dense, forward, backward, strict=True):
            for rows, partners, values in ((earlier, later, ahead), (later, earlier, back)):
                some = values.nonzero()[0]
                np.add.at(matrix, (rows[some], partners[some]), values[some])

    def scales(self, partners: Rows, smoothing: NDArray[np.float64], time_s: float) -> NDArray[np.float32]:
        """``1 / (Σ_j S[h, j] + smoothing)`` of every channel and partner h, float32 [channels, n].

        Args:
            partners: Rows h, int64 [n].
            smoothing: Of each channel, in pairs of now, float64 [channels].
            time_s: Now.
        """
        sums = self._sums.take(partners, axis=1)
        sums += (smoothing * self._growth(time_s))[:, None]
        return np.asarray(np.divide(1.0, sums, out=sums), np.float32)

    def remove(self, row: int, partners: Rows, gaps_s: NDArray[np.float64], time_s: float) -> None:
        """Take back what `add` with the same arguments added, as far as it is held.

        Exact up to rounding while all pairs are held. Where only the strongest neighbours are, what was
        pushed out since is in the sums alone; nothing falls below 0.
        """
        if not len(partners):
            return
        growth = self._growth(time_s)[:, None]
        forward, backward = pair_weights(gaps_s)
        forward = (forward * growth).astype(np.float32)
        backward = (backward * growth).astype(np.float32)
        self._sums[:, partners] = np.maximum(self._sums[:, partners] - forward, 0.0)
        self._sums[:, row] = np.maximum(self._sums[:, row] - backward.sum(axis=1), 0.0)
        if self._dense is not None:
            self._dense[:, partners, row] = np.maximum(self._dense[:, partners, row] - forward, 0.0)
            self._dense[:, row, partners] = np.maximum(self._dense[:, row, partners] - backward, 0.0)
            return
        found = self._ids[partners] == row
        slot = found.argmax(axis=1)
        held = np.flatnonzero(found[np.arange(len(partners)), slot])
        at = (slice(None), partners[held], slot[held])
        self._values[at] = np.maximum(self._values[at] - forward[:, held], 0.0)
        found = self._ids[row][None, :] == partners[:, None]
        slot = found.argmax(axis=1)
        held = np.flatnonzero(found[np.arange(len(partners)), slot])
        own = (slice(None), row, slot[held])
        self._values[own] = np.maximum(self._values[own] - backward[:, held], 0.0)

    def combine(
        self, channel: int, partners: Rows, weights: NDArray[np.float32], rows: int
    ) -> NDArray[np.float32]:
        """``Σ_h w_h · S[h, i]`` of every item i, for several weightings at once.

        Args:
            channel: Which.
            partners: Rows h, int64 [n].
            weights: float32 [windows, n], with their `scales` in them.
            rows: How many items there are.

        Returns:
            float32 [windows, rows].
        """
        if self._dense is not None:
            # Rows as a whole are copied faster than a part of each.
            held = self._dense[channel].take(partners, axis=0)[:, :rows]
            return np.asarray(weights @ held)
        at = np.maximum(self._ids.take(partners, axis=0), 0).ravel()
        values = self._values[channel].take(partners, axis=0)
        combined = np.empty((len(weights), rows), np.float32)
        for window, window_weights in enumerate(weights):
            used = (values * window_weights[:, None]).ravel()
            combined[window] = np.bincount(at, used, minlength=rows)[:rows]
        return combined

    def each(
        self, channel: int, partners: Rows, weights: NDArray[np.float32], rows: int
    ) -> NDArray[np.float32]:
        """``w_h · S[h, i]`` of every partner h and item i, float32 [n, rows]; weights as `combine`'s, [n]."""
        if self._dense is not None:
            held = self._dense[channel].take(partners, axis=0)[:, :rows]
            return np.asarray(np.multiply(held, weights[:, None], out=held))
        found = np.zeros((len(partners), rows + 1), np.float32)
        # What free places hold, −1, comes into a last column.
        at = self._ids.take(partners, axis=0)
        values = self._values[channel].take(partners, axis=0)
        values *= weights[:, None]
        found[np.arange(len(partners))[:, None], at] = values
        return found[:, :rows]

    def _growth(self, time_s: float) -> NDArray[np.float64]:
        """exp((t − t₀) / a) of each channel; moves t₀ before that grows too large."""
        if time_s == self._grown[0]:
            return self._grown[1]
        if self._origin_s is None:
            self._origin_s = time_s
        exponent = (time_s - self._origin_s) / AGE_S
        if exponent.max() > _MAX_EXPONENT:
            shrink = np.exp(-exponent)
            self._sums *= shrink[:, None]
            held = self._dense if self._dense is not None else self._values
            held *= shrink[:, None, None].astype(np.float32)
            self._origin_s = time_s
            exponent = np.zeros(len(CHANNELS))
        growth: NDArray[np.float64] = np.exp(np.maximum(exponent, -_MAX_EXPONENT))
        self._grown = (time_s, growth)
        return growth

    def _strength(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """By which neighbours are kept: near in time first, then ever."""
        return np.asarray(
            values[NEAR_AFTER]
            + values[NEAR_BEFORE]
            + values[SESSION_AFTER]
            + values[SESSION_BEFORE]
            + np.float32(0.01) * values[EVER]
        )

    def _to_table(self) -> None:
        assert self._dense is not None
        kept = min(self._neighbours, self._capacity)
        self._ids = np.full((self._capacity, self._neighbours), -1, np.int32)
        self._values = lazy_zeros((len(CHANNELS), self._capacity, self._neighbours))
        for begin in range(0, self._capacity, _BLOCK_ROWS):
            rows = slice(begin, begin + _BLOCK_ROWS)
            strength = self._strength(self._dense[:, rows])
            order = np.argsort(-strength, axis=1, kind="stable")[:, :kept]
            present = np.take_along_axis(strength, order, axis=1) > 0
            self._ids[rows, :kept] = np.where(present, order, -1)
            for matrix, into in zip(self._dense, self._values, strict=True):
                copy_written(np.take_along_axis(matrix[rows], order, axis=1) * present, into[rows])
        self._dense = None

    def _add_to_table(self, row: int, partners: Rows, forward: Values, backward: Values) -> None:
        # Rows of the earlier items gain this one, each row one entry.
        found = self._ids[partners] == row
        slot = found.argmax(axis=1)
        missing = ~found[np.arange(len(partners)), slot]
        if missing.any():
            poor = partners[missing]
            slot[missing] = self._weakest(poor)
            self._forget(poor, slot[missing])
            self._ids[poor, slot[missing]] = row
        channels, pairs = forward.nonzero()
        self._values[channels, partners[pairs], slot[pairs]] += forward[channels, pairs]
        # The row of this item gains all of them.
        ids = self._ids[row]
        order = np.argsort(ids, kind="stable")
        at = np.searchsorted(ids, partners, sorter=order)
        at = order[np.minimum(at, len(ids) - 1)]
        known = ids[at] == partners
        self._add_to_row(row, at[known], backward[:, known])
        new = np.flatnonzero(~known)
        if len(new):
            strength = np.where(ids >= 0, self._strength(self._values[:, row]), -1.0)
            # An event pushes out the weakest few: else one long history would push out all that was learned.
            room = max(int(np.count_nonzero(ids < 0)), len(ids) // 8, 1)
            free = np.argsort(strength, kind="stable")[: min(len(new), room)]
            # Partners come newest first.
            new = new[: len(free)]
            self._forget(np.full(len(free), row), free)
            self._ids[row, free] = partners[new]
            self._add_to_row(row, free, backward[:, new])

    def _merge(self, rows: Rows, partners: Rows, values: Values) -> None:
        """Add pairs to the neighbours of all of these rows; of each, the strongest stay."""
        touched = np.unique(rows)
        of, place = (self._ids[touched] >= 0).nonzero()
        of = touched[of]
        pairs = np.concatenate([of * self._capacity + self._ids[of, place], rows * self._capacity + partners])
        pairs, number = np.unique(pairs, return_inverse=True)
        sums = np.empty((len(CHANNELS), len(pairs)), np.float32)
        for held, more, into in zip(self._values, values, sums, strict=True):
            into[:] = np.bincount(number, np.concatenate([held[of, place], more]), len(pairs))
        row_of = pairs // self._capacity
        order = np.lexsort((-self._strength(sums), row_of))
        # In this order rows are together: each pair's place is how far it is from the first of its row.
        ranked = row_of[order]
        places = np.arange(len(order)) - np.searchsorted(ranked, ranked)
        kept = places < self._neighbours
        order, places = order[kept], places[kept]
        self._values[:, of, place] = 0.0
        self._ids[touched] = -1
        self._ids[row_of[order], places] = pairs[order] % self._capacity
        channels, at = sums[:, order].nonzero()
        self._values[channels, row_of[order[at]], places[at]] = sums[channels, order[at]]

    def _add_to_row(self, row: int, places: Rows, values: Values) -> None:
        channels, at = values.nonzero()
        self._values[channels, row, places[at]] += values[channels, at]

    def _forget(self, rows: Rows, places: Rows) -> None:
        """Make room at these places; a free one holds zeros as it is."""
        taken = self._ids[rows, places] >= 0
        self._values[:, rows[taken], places[taken]] = 0.0

    def _weakest(self, rows: Rows) -> Rows:
        strength = np.where(self._ids[rows] >= 0, self._strength(self._values[:, rows]), -1.0)
        return np.asarray(strength.argmin(axis=1), np.int64)
