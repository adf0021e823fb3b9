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

from models.interactions.pairs import (
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
_SMOOTHING = {
    PAGE: 2.0,
    NEAR_AFTER: 2.0,
    NEAR_BEFORE: 2.0,
    SESSION_AFTER: 5.0,
    SESSION_BEFORE: 5.0,
    EVER: 10.0,
}
_DELAY_SMOOTHING = 3.0
_WINDOWS = {
    PAGE: ("page", "ten", "long"),
    NEAR_AFTER: ("page", "ten", "fade", "before"),
    NEAR_BEFORE: ("page", "ten", "fade", "before"),
    SESSION_AFTER: ("ten",),
    SESSION_BEFORE: ("ten",),
    EVER: ("ten", "long", "fade"),
}
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
# Entries whose company is multiplied instead of added.
_AGREEING = 5


def company(situation: Situation) -> NDArray[np.float32]:
    """Sums of company of every item by row, one for each signal but the last two, float32 [sums, columns]."""
    rows = situation.columns
    sums = np.zeros((len(NAMES) - 2, rows), np.float32)
    if not len(situation.recent):
        return sums
    windows = _weights(situation)
    combined = {}
    for channel, names in _WINDOWS.items():
        weights = np.stack([windows[name] for name in names])
        used = np.flatnonzero((weights > 1e-4).any(axis=0))
        found = situation.memory.pairs.combine(
            channel,
            situation.recent.rows[used],
            weights[:, used],
            _SMOOTHING[channel],
            situation.now_s,
            rows,
        )
        combined.update({(channel, name): row for name, row in zip(names, found, strict=True)})
    for at, found_sum in enumerate(
        (
            combined[PAGE, "page"],
            combined[PAGE, "ten"],
            combined[PAGE, "long"],
            combined[NEAR_AFTER, "page"],
            combined[NEAR_AFTER, "ten"],
            combined[NEAR_BEFORE, "page"],
            combined[NEAR_BEFORE, "ten"],
            combined[NEAR_AFTER, "fade"] + combined[NEAR_BEFORE, "fade"],
            combined[NEAR_AFTER, "before"] + combined[NEAR_BEFORE, "before"],
            combined[SESSION_AFTER, "ten"],
            combined[SESSION_BEFORE, "ten"],
            combined[EVER, "ten"],
            combined[EVER, "long"],
            combined[EVER, "fade"],
            *_delayed(situation, windows, rows),
        )
    ):
        sums[at] = found_sum
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
        "ten": np.where(ranks < 10, 0.8**ranks, 0.0),
        "fade": np.exp(ages_s / -300.0),
        "long": 0.97**ranks,
    }
    return {name: values.astype(np.float32) for name, values in weights.items()}


def _delayed(situation: Situation, windows: dict[str, NDArray[np.float32]], rows: int) -> NDArray[np.float32]:
    """Sums over entries of what came after each as long ago as it is now, "ten" and "long". [2, rows]"""
    weights = np.stack([windows["ten"], windows["long"]])
    channels = delay_channels(situation.ages_s)
    delayed = np.zeros((2, rows), np.float32)
    for channel in np.unique(channels).tolist():
        at = np.flatnonzero(channels == channel)
        delayed += situation.memory.pairs.combine(
            channel, situation.recent.rows[at], weights[:, at], _DELAY_SMOOTHING, situation.now_s, rows
        )
    return delayed


def _agreement(situation: Situation, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over entries of the log of the company near them: an item must fit all of them. [2, n]

    ``mean_h log(near_h + ½ session_h + 0.3 · p_i + ε)``, p_i the item's share of all events; over the five
    newest entries, and those of them on the last page.
    """
    pairs, now_s = situation.memory.pairs, situation.now_s
    partners = situation.recent.rows[:_AGREEING]
    ones = np.ones(len(partners), np.float32)
    company = None
    for channel, share in (
        (NEAR_AFTER, 1.0),
        (NEAR_BEFORE, 1.0),
        (SESSION_AFTER, 0.5),
        (SESSION_BEFORE, 0.5),
    ):
        weights = ones * np.float32(share)
        found = pairs.shares(channel, partners, weights, _SMOOTHING[channel], now_s, situation.columns)
        company = found if company is None else company + found
    assert company is not None
    near = company.take(columns, axis=1)
    popularity = situation.memory.popularity
    share_of_all = popularity.count[: situation.columns].take(columns) * (0.3 / (popularity.total + 1.0))
    near += share_of_all.astype(np.float32)
    near += FLOOR
    np.log(near, out=near)
    on_page = situation.last_page[:_AGREEING]
    return np.stack([near[on_page].mean(axis=0), near.mean(axis=0)])
