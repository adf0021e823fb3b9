"""What two events of one person, some time apart, say of their two items: how much, in which channel.

Each channel c holds, for items h and i, ``S_c[h, i] = Σ k_c(Δ) · exp((t − t₀) / a_c)`` over the pairs of
events of one person on h and i that are Δ apart, t the time of the later one. Weights that grow with time
instead of old ones that shrink: an update touches only the pairs of one event, and what is read is a
ratio of two sums, in which the growth cancels.

===============  ===========================  =======  =========================================
channel          k(Δ)                         a        pairs
===============  ===========================  =======  =========================================
page             1 where Δ ≤ 2 s              86 d     both ways
near_after       exp(−Δ / 60 s)               43 d     i after h; half each way where Δ ≤ 1 s
near_before      exp(−Δ / 60 s)               43 d     i before h; half each way where Δ ≤ 1 s
session_after    exp(−Δ / 600 s)              43 d     i after h
session_before   exp(−Δ / 600 s)              43 d     i before h
ever             1                            −        both ways
delay_20s …      1 where Δ is within (1, 20]  86 d     i after h
===============  ===========================  =======  =========================================

``delay_90s``, ``delay_400s``, ``delay_hour`` and ``delay_long`` hold the pairs of (20, 90], (90, 400] and
(400, 3600] seconds, and of more: what came after h as long ago as h is now.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
CHANNELS = (
    "page",
    "near_after",
    "near_before",
    "session_after",
    "session_before",
    "ever",
    "delay_20s",
    "delay_90s",
    "delay_400s",
    "delay_hour",
    "delay_long",
)
PAGE, NEAR_AFTER, NEAR_BEFORE, SESSION_AFTER, SESSION_BEFORE, EVER, FIRST_DELAY = range(7)
# Upper ends of the delays, the last of them open.
DELAY_ENDS_S = np.array([20.0, 90.0, 400.0, 3_600.0])
AGE_S = np.array([86.0, 43.0, 43.0, 43.0, 43.0, math.inf, 86.0, 86.0, 86.0, 86.0, 86.0]) * DAY_S
PAGE_S = 2.0
# Within one tick of the clock the order of two events says nothing.
_TICK_S = 1.0
# Weights below this are left out: exp(-9.2).
_LEAST_WEIGHT = 1e-4
Rows = NDArray[np.int64]
Values = NDArray[np.float32]


def delay_channels(gaps_s: NDArray[np.float64]) -> Rows:
    """The channel of pairs with such gaps: of the page within a tick of the clock, int64 [n]."""
    delays = FIRST_DELAY + np.searchsorted(DELAY_ENDS_S, gaps_s)
    return np.where(gaps_s <= _TICK_S, PAGE, delays)


def pair_weights(gaps_s: NDArray[np.float64]) -> tuple[Values, Values]:
    """What pairs add in each channel, without age: earlier → later, and later → earlier.

    Args:
        gaps_s: From each earlier event to the later one, seconds, not negative, [n].

    Returns:
        Two arrays float32 [channels, n].
    """
    forward = np.zeros((len(CHANNELS), len(gaps_s)), np.float32)
    page = gaps_s <= PAGE_S
    near = np.exp(gaps_s / -60.0)
    session = np.exp(gaps_s / -600.0)
    for weights in (near, session):
        weights[weights < _LEAST_WEIGHT] = 0.0
    backward = np.zeros_like(forward)
    half = np.where(gaps_s <= _TICK_S, 0.5, 1.0)
    forward[NEAR_AFTER] = backward[NEAR_BEFORE] = near * half
    tick = gaps_s <= _TICK_S
    backward[NEAR_AFTER] = forward[NEAR_BEFORE] = np.where(tick, near * 0.5, 0.0)
    forward[SESSION_AFTER] = backward[SESSION_BEFORE] = session
    forward[PAGE] = backward[PAGE] = page
    forward[EVER] = backward[EVER] = 1.0
    later = np.flatnonzero(~tick)
    forward[delay_channels(gaps_s[later]), later] = 1.0
    return forward, backward
