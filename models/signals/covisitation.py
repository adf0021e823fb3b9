"""Signals from which items meet in histories, at which distance in time.

With h over a person's recent entries, at rank r and age a, and S_c the channels of
`models.interactions.pairs`, a signal is ``log(ε + Σ_h w(h) · S_c[h, i] / (Σ_j S_c[h, j] + s_c))``:
smoothed shares of h's company that i makes up, added up over h. Weightings:

* ``page``: 1 for entries made at once with the newest
* ``ten``: 0.8^r, r < 10
* ``fade``: exp(−a / 300 s)
* ``long``: 0.97^r

The ``delay`` signals read for each h the channel of pairs as far apart as h is old now.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.interactions.pair_channels import (
    CHANNELS,
    EVER,
    NEAR_AFTER,
    NEAR_BEFORE,
    PAGE,
    SESSION_AFTER,
    SESSION_BEFORE,
    delay_channels,
)
from models.signals.situation import Situation

FLOOR = 1e-5
# Pairs of now that are added to the sum of a row, so that the company of a rare item counts less.
SMOOTHING: NDArray[np.float64] = np.full(len(CHANNELS), 3.0)
_DELAY_SMOOTHING = SMOOTHING.copy()
SMOOTHING[[PAGE, NEAR_AFTER, NEAR_BEFORE]] = 2.0
SMOOTHING[[SESSION_AFTER, SESSION_BEFORE]] = 5.0
SMOOTHING[EVER] = 10.0
# Weights below this count for nothing where others of an entry are larger.
_LEAST_WEIGHT = 1e-4
_TEN = 10
NAMES = (
    "page_page",
    "page_ten",
    "page_long",
    "near_after_page",
    "near_after_ten",
    "near_before_page",
    "near_before_ten",
    "near_fade",
    "near_page_before",
    "session_after_ten",
    "session_before_ten",
    "ever_ten",
    "ever_long",
    "ever_fade",
    "delay_ten",
    "delay_long",
    "agreement_page",
    "agreement_five",
)
_AT = {name: position for position, name in enumerate(NAMES)}
# Entries whose company is multiplied instead of added.
_AGREEING = 5


def company(situation: Situation) -> NDArray[np.float32]:
    """Sums of company of every item by row, one for each signal but the last two, float32 [sums, columns]."""
    rows = situation.columns
    sums = np.zeros((len(NAMES) - 2, rows), np.float32)
    recent = situation.recent.rows
    if not len(recent):
        return sums
    pairs = situation.memory.pairs
    weights, scales = _weights(situation), pairs.scales(recent, SMOOTHING, situation.now_s)

    def combined(channel: int, *windows: str) -> NDArray[np.float32]:
        chosen = np.stack([weights[name] for name in windows])
        used = np.flatnonzero((chosen > _LEAST_WEIGHT).any(axis=0))
        if len(used) == len(recent):
            return pairs.combine(channel, recent, chosen * scales[channel], rows)
        return pairs.combine(channel, recent[used], (chosen * scales[channel])[:, used], rows)

    def put(found: NDArray[np.float32], *names: str) -> None:
        for name, of_name in zip(names, found, strict=True):
            sums[_AT[name]] += of_name

    put(combined(PAGE, "page", "ten", "long"), "page_page", "page_ten", "page_long")
    near = ("page", "ten", "fade", "before")
    both = ("near_fade", "near_page_before")
    put(combined(NEAR_AFTER, *near), "near_after_page", "near_after_ten", *both)
    put(combined(NEAR_BEFORE, *near), "near_before_page", "near_before_ten", *both)
    put(combined(SESSION_AFTER, "ten"), "session_after_ten")
    put(combined(SESSION_BEFORE, "ten"), "session_before_ten")
    put(combined(EVER, "ten", "long", "fade"), "ever_ten", "ever_long", "ever_fade")
    # What came after each entry as long ago as it is now: entries with equal channels follow on each other.
    delayed = np.stack([weights["ten"], weights["long"]])
    scales = pairs.scales(recent, _DELAY_SMOOTHING, situation.now_s)
    channels = delay_channels(situation.ages_s)
    starts = [0, *((channels[1:] != channels[:-1]).nonzero()[0] + 1).tolist()]
    for begin, end in zip(starts, [*starts[1:], len(recent)], strict=True):
        channel, entries = int(channels[begin]), slice(begin, end)
        scaled = delayed[:, entries] * scales[channel, entries]
        put(pairs.combine(channel, recent[entries], scaled, rows), "delay_ten", "delay_long")
    return sums


def covisitation(
    situation: Situation, sums: NDArray[np.float32], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The signals of some items, float32 [signals, n]; all equal for a stranger.

    Args:
        situation: The person and moment.
        sums: See `company`.
        columns: Rows of the items, −1 for one that nobody has used, [n].
    """
    signals = np.zeros((len(NAMES), len(columns)), np.float32)
    found = sums.take(columns, axis=1)
    found += FLOOR
    np.log(found, out=signals[:-2])
    if len(situation.recent):
        signals[-2:] = _agreement(situation, columns)
    return signals


def _weights(situation: Situation) -> dict[str, NDArray[np.float32]]:
    ranks, ages_s = situation.ranks, situation.ages_s
    weights = {
        "page": situation.last_page,
        "before": situation.page_before,
        "ten": np.where(ranks < _TEN, 0.8**ranks, 0.0),
        "fade": np.exp(ages_s / -300.0),
        "long": 0.97**ranks,
    }
    return {name: values.astype(np.float32) for name, values in weights.items()}


def _agreement(situation: Situation, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over entries of the log of the company near them: an item must fit all of them. [2, n]

    ``mean_h log(near_h + ½ session_h + 0.3 · p_i + ε)``, p_i the item's share of all events; over the five
    newest entries, and those of them on the last page.
    """
    pairs, columns_there = situation.memory.pairs, situation.columns
    partners = situation.recent.rows[:_AGREEING]
    scales = pairs.scales(partners, SMOOTHING, situation.now_s)
    scales[[SESSION_AFTER, SESSION_BEFORE]] *= np.float32(0.5)
    company = pairs.each(NEAR_AFTER, partners, scales[NEAR_AFTER], columns_there)
    for channel in (NEAR_BEFORE, SESSION_AFTER, SESSION_BEFORE):
        company += pairs.each(channel, partners, scales[channel], columns_there)
    near = company.take(columns, axis=1)
    popularity = situation.memory.popularity
    share_of_all = popularity.count[: situation.columns].take(columns) * (0.3 / (popularity.total + 1.0))
    near += share_of_all.astype(np.float32)
    near += FLOOR
    np.log(near, out=near)
    on_page = situation.last_page[:_AGREEING]
    return np.stack([near[on_page].mean(axis=0), near.mean(axis=0)])
