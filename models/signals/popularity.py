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
    count = counts.count[columns]
    signals[:4] = np.log(counts.recent(columns, now_s) + _SPAN_FLOORS)
    signals[4] = np.log(count + 0.5)
    signals[5] = np.log(counts.at_stage(columns, now_s, events) + 0.02)
    signals[6] = np.log(counts.at_return(columns, now_s) + 0.05)
    mean_weight = _mean_weight(counts, columns)
    signals[7] = mean_weight
    positives = counts.positives[columns] + 2.2
    signals[8] = np.log(positives / (count + 4.0 - positives))
    if len(situation.recent):
        rarity = _rarity(counts, columns)
        recent = situation.recent.rows
        page = recent[situation.last_page]
        signals[9] = rarity - _rarity(counts, page).mean()
        signals[10] = np.abs(signals[9])
        signals[11] = np.abs(rarity - _rarity(counts, recent).mean())
        signals[12] = mean_weight - _mean_weight(counts, page).mean()
        signals[13] = np.abs(signals[12])
    used = count > 0
    since_first = np.where(used, now_s - counts.first_s[columns], 0.0)
    signals[14] = np.log(np.maximum(since_first, 0.0) / 3_600.0 + 1.0)
    since_last = np.where(used, now_s - counts.last_s[columns], 0.0)
    signals[15] = np.where(used, np.log(np.maximum(since_last, 0.0) / 60.0 + 1.0), _NEVER_USED)
    return signals


def _rarity(counts: Popularity, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.log((counts.count[rows] + 1.0) / (counts.total + 1.0)))


def _mean_weight(counts: Popularity, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((counts.weight_sum[rows] + 2.5) / (counts.count[rows] + 5.0))
