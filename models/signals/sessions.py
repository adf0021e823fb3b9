"""Signals from other people's histories around the places where they touch this one.

An occurrence o is another person's event on one of this person's last items h. Its person's similarity is
``sim = Σ 0.85^r / (n_h + 5)^¼`` over all occurrences of the person on the last 20 items, ``near`` the same
with ``exp(−a / 100 s)`` alone. Items j that lie d events and Δ seconds from an occurrence gain
``v · f(d, Δ)``, with ``v = 0.8^r / (n_h + 5)^¼ · exp(−age_o / 90 d)`` over the last 10 items:

=================  ============================================
signal, as a log   what an item gains
=================  ============================================
sessions_minute    v · sim · exp(−Δ / 60 s)
sessions_wide      v · sim · exp(−Δ / 600 s) / (1 + 0.15 |d|)
sessions_near      v · near^1.5 · exp(−Δ / 600 s) / (1 + 0.15 |d|)
sessions_after     v · sim · exp(−Δ / 60 s) / (1 + 0.15 d), d > 0
sessions_before    the same, d < 0
=================  ============================================

See Garg et al., Sequence and Time Aware Neighborhood for Session-based Recommendations, SIGIR 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.signals.situation import Situation

NAMES = ("sessions_minute", "sessions_wide", "sessions_near", "sessions_after", "sessions_before")
_SIMILAR_ITEMS, _VOTING_ITEMS = 20, 10
# Occurrences that vote, those with most weight; and how far to each side of them.
_VOTERS, _REACH = 300, 30
_LONGEST_S = 3_000.0
_FLOOR = 1e-5
_FADE_S = 90.0 * 86_400.0
_NEARNESS_OF_STEP = (1.0 / (1.15 + 0.15 * np.arange(_REACH)))[:, None].astype(np.float32)


def votes(situation: Situation) -> NDArray[np.float64]:
    """What every item gains by row, [signals, columns]."""
    gains = np.zeros((len(NAMES), situation.columns))
    if len(situation.recent):
        _gather(situation, gains)
    return gains


def sessions(gains: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """The signals of some items, float32 [signals, n]; all equal for a stranger.

    Args:
        gains: See `votes`.
        columns: Rows of the items, −1 for one that nobody has used, [n].
    """
    found = gains.take(columns, axis=1) + _FLOOR
    return np.log(found.astype(np.float32))


def _gather(situation: Situation, gains: NDArray[np.float64]) -> None:
    log = situation.memory.log
    recent = situation.recent.rows[:_SIMILAR_ITEMS]
    slots, at = log.occurrences(recent)
    people = log.people_of(slots)
    others = people != log.person(situation.person.user_id)
    slots, at, people = slots[others], at[others], people[others]
    count = len(slots)
    if not count:
        return
    rarity = (situation.memory.popularity.count[recent] + 5.0) ** -0.25
    ranks, ages_s = situation.ranks[: len(recent)], situation.ages_s[: len(recent)]
    _, person = np.unique(people, return_inverse=True)
    similarity = np.bincount(person, (0.85**ranks * rarity)[at])
    nearness = np.bincount(person, np.exp(ages_s / -100.0)[at])
    vote = np.where(ranks < _VOTING_ITEMS, 0.8**ranks * rarity, 0.0)[at]
    times_s = log.times_s(slots)
    vote *= np.exp((times_s - situation.now_s) / _FADE_S)
    by_similarity = vote * similarity[person]
    if count > _VOTERS:
        kept = by_similarity.argpartition(count - _VOTERS)[count - _VOTERS :]
        slots, person, times_s = slots[kept], person[kept], times_s[kept]
        vote, by_similarity = vote[kept], by_similarity[kept]
    by_nearness = vote * nearness[person] ** 1.5
    # After the occurrences, then before them: [reach, 2 · voters].
    reached = log.around(slots, _REACH)
    gaps_s = log.times_s(reached)
    gaps_s -= np.concatenate([times_s, times_s])
    fade = np.abs(gaps_s).astype(np.float32)
    fade *= np.float32(1.0 / -600.0)
    # What is too far away, as what is not there, adds nothing.
    near = fade >= np.float32(_LONGEST_S / -600.0)
    np.exp(fade, out=fade)
    fade *= near
    # exp(−Δ / 60) is the tenth power of exp(−Δ / 600).
    minute = fade * fade
    minute *= minute
    minute *= fade
    minute *= minute
    fade *= _NEARNESS_OF_STEP
    minute *= np.concatenate([by_similarity, by_similarity]).astype(np.float32)
    # Before the first row comes what is none.
    items = log.items(reached)
    items += 1
    rows = gains.shape[1]

    def sums(weights: NDArray[np.float32], voters: slice = slice(None)) -> NDArray[np.float64]:
        found = np.bincount(items[:, voters].ravel(), weights[:, voters].ravel(), minlength=rows + 1)
        return np.asarray(found[1:], np.float64)

    gains[0] = sums(minute)
    gains[1] = sums(fade * np.concatenate([by_similarity, by_similarity]).astype(np.float32))
    gains[2] = sums(fade * np.concatenate([by_nearness, by_nearness]).astype(np.float32))
    minute *= _NEARNESS_OF_STEP
    gains[3] = sums(minute, slice(len(slots)))
    gains[4] = sums(minute, slice(len(slots), None))
