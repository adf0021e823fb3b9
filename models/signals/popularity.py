"""Signals of the item alone, and of how it compares with what this person uses.

With c the count of events on an item, lp = log((c + 1) / (all events + 1)), m the mean weight
(Σ weights + 2.5) / (c + 5), and "page" the entries made at once with the newest:

====================  ===========================================================================
signal                formula
====================  ===========================================================================
popular_6h … _60d     log(events that fade over the span + 0.02, 0.05, 0.1, 0.2)
popular_ever          log(c + ½)
popular_at_stage      log(events by people with about as many events as this one + 0.02)
popular_at_return     log(events that began a visit + 0.05)
mean_weight           m
liked_share           log odds of a positive weight, 2.2 of 4 added
rarity_step           lp − mean lp of the page
rarity_distance       |lp − mean lp of the page|
rarity_habit          |lp − mean lp of the recent entries|
weight_step           m − mean m of the page
weight_distance       |m − mean m of the page|
known_for             log(hours since the first event + 1); 0 where there was none
last_used             log(minutes since the last event + 1); 12 where there was none
====================  ===========================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.interactions.popularity import Popularity
from models.signals.situation import Situation

NAMES = (
    "popular_6h",
    "popular_2d",
    "popular_10d",
    "popular_60d",
    "popular_ever",
    "popular_at_stage",
    "popular_at_return",
    "mean_weight",
    "liked_share",
    "rarity_step",
    "rarity_distance",
    "rarity_habit",
    "weight_step",
    "weight_distance",
    "known_for",
    "last_used",
)
_SPAN_FLOORS = np.array([[0.02], [0.05], [0.1], [0.2]])
_NEVER_USED = 12.0


def popularity(situation: Situation, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """The signals of some items, float32 [signals, n].

    Args:
        situation: The person and moment.
        columns: Rows of the items, −1 for one that nobody has used, [n].
    """
    counts = situation.memory.popularity
    # The row after the last item's is always empty.
    columns = np.where(columns < 0, situation.columns - 1, columns)
    now_s, events = situation.now_s, situation.person.events
    signals = np.zeros((len(NAMES), len(columns)), np.float32)
    count = counts.count.take(columns)
    mean_weight = (counts.weight_sum.take(columns) + 2.5) / (count + 5.0)
    positives = counts.positives.take(columns) + 2.2
    used = count > 0
    hours = np.where(used, now_s - counts.first_s.take(columns), 0.0) / 3_600.0
    minutes = np.where(used, now_s - counts.last_s.take(columns), 0.0) / 60.0
    # All logarithms at once, and of float32: those of float64 take eight times as long.
    logs = np.empty((11, len(columns)), np.float32)
    logs[:4] = counts.recent(columns, now_s) + _SPAN_FLOORS
    logs[4] = count + 0.5
    logs[5] = counts.at_stage(columns, now_s, events) + 0.02
    logs[6] = counts.at_return(columns, now_s) + 0.05
    logs[7] = positives / (count + 4.0 - positives)
    logs[8] = np.maximum(hours, 0.0) + 1.0
    logs[9] = np.maximum(minutes, 0.0) + 1.0
    logs[10] = (count + 1.0) / (counts.total + 1.0)
    np.log(logs, out=logs)
    signals[:7] = logs[:7]
    signals[7] = mean_weight
    signals[8] = logs[7]
    if len(situation.recent):
        rarity = logs[10]
        recent = situation.recent.rows
        rarities, weights = _rarity(counts, recent), _mean_weight(counts, recent)
        on_page = situation.last_page
        signals[9] = rarity - rarities[on_page].mean()
        signals[11] = rarity - rarities.mean()
        signals[12] = mean_weight - weights[on_page].mean()
        signals[10], signals[13] = signals[9], signals[12]
        np.abs(signals[10:12], out=signals[10:12])
        np.abs(signals[13], out=signals[13])
    signals[14] = logs[8]
    signals[15] = np.where(used, logs[9], _NEVER_USED)
    return signals


def _rarity(counts: Popularity, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    shares = (counts.count[rows] + 1.0) / (counts.total + 1.0)
    return np.log(shares.astype(np.float32))


def _mean_weight(counts: Popularity, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((counts.weight_sum[rows] + 2.5) / (counts.count[rows] + 5.0))
