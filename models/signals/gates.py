"""What a person's moment is like: the weights of signals depend on it.

==============  =======================================================================
gate            value
==============  =======================================================================
always          1
same_page       1 where the newest entry is at most a tick of the clock old
same_minutes    1 where it is older, and younger than 150 s
away            1 where it is older than half an hour, or there is none
events          log(1 + events) / 3 − 1, within [−1.2, 1.2]
newcomer        1 below 5 events
stranger        1 where there is no event
session         log(1 + entries since a gap of an hour) / 2 − 1, within [−1, 1.5]
page_size       ½ · (log(1 + entries made at once with the newest) − 1), within [−1, 2] before the ½
experience      log10(events of all people / 1,000), within [0, 1]: 0 up to 1,000 events, 1 from 10,000 on
==============  =======================================================================
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.signals.situation import Situation

NAMES = (
    "always",
    "same_page",
    "same_minutes",
    "away",
    "events",
    "newcomer",
    "stranger",
    "session",
    "page_size",
    "experience",
)


def gates(situation: Situation) -> NDArray[np.float32]:
    """The gates, float32 [gates]."""
    gap_s, events = situation.gap_s, situation.person.events
    page = int(situation.last_page.sum())
    return np.array(
        [
            1.0,
            gap_s is not None and gap_s <= 1.5,
            gap_s is not None and 1.5 < gap_s < 150.0,
            gap_s is None or gap_s >= 1_800.0,
            min(max(math.log1p(events) / 3.0 - 1.0, -1.2), 1.2),
            events < 5,
            events == 0,
            min(max(math.log1p(situation.session_entries) / 2.0 - 1.0, -1.0), 1.5),
            0.5 * min(max(math.log1p(page) - 1.0, -1.0), 2.0),
            min(max(math.log10(max(situation.memory.popularity.total, 1) / 1_000.0), 0.0), 1.0),
        ],
        np.float32,
    )
