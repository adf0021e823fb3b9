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
    return np.log(gains[:, columns] + _FLOOR).astype(np.float32)


def _gather(situation: Situation, gains: NDArray[np.float64]) -> None:
    log = situation.memory.log
    recent = situation.recent.rows[:_SIMILAR_ITEMS]
    numbers, at = log.occurrences(recent)
    people = log.people_of(numbers)
    others = people != log.person(situation.person.user_id)
    numbers, at, people = numbers[others], at[others], people[others]
    if not len(numbers):
        return
    rarity = (situation.memory.popularity.count[recent] + 5.0) ** -0.25
    ranks, ages_s = situation.ranks[: len(recent)], situation.ages_s[: len(recent)]
    _, person = np.unique(people, return_inverse=True)
    similarity = np.bincount(person, (0.85**ranks * rarity)[at])
    nearness = np.bincount(person, np.exp(ages_s / -100.0)[at])
    times_s = log.times_s(numbers)
    vote = np.where(ranks < _VOTING_ITEMS, 0.8**ranks * rarity, 0.0)[at]
    vote *= np.exp((times_s - situation.now_s) / _FADE_S)
    by_similarity = vote * similarity[person]
    if len(numbers) > _VOTERS:
        kept = np.argpartition(-by_similarity, _VOTERS)[:_VOTERS]
        numbers, person, times_s = numbers[kept], person[kept], times_s[kept]
        vote, by_similarity = vote[kept], by_similarity[kept]
    by_nearness = vote * nearness[person] ** 1.5
    rows = gains.shape[1]
    sides = []
    for follow in (log.after, log.before):
        reached = np.full((_REACH, len(numbers)), -1, np.int64)
        at_number = numbers
        for step in range(_REACH):
            reached[step] = at_number = follow(at_number)
        step_of, voter = np.nonzero(reached >= 0)
        found = reached[step_of, voter]
        items = log.items(found)
        gaps_s = np.abs(log.times_s(found) - times_s[voter])
        used = (gaps_s <= _LONGEST_S) & (items >= 0)
        items, voter, gaps_s, step_of = items[used], voter[used], gaps_s[used], step_of[used]
        distance = 1.0 / (1.15 + 0.15 * step_of)
        minute = by_similarity[voter] * np.exp(gaps_s / -60.0)
        wide = np.exp(gaps_s / -600.0) * distance
        gains[0] += np.bincount(items, minute, minlength=rows)
        gains[1] += np.bincount(items, by_similarity[voter] * wide, minlength=rows)
        gains[2] += np.bincount(items, by_nearness[voter] * wide, minlength=rows)
        sides.append(np.bincount(items, minute * distance, minlength=rows))
    gains[3], gains[4] = sides
