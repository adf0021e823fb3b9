"""From ranked candidates to the list that is shown.

The stages, in their order and why:

1. *Boost and bury* change scores, before anything compares scores.
2. *No repeats* leaves candidates out, before anything counts on them. Pinned ones stay: who pins an item
   wants it at the top, also on the next page view.
3. *Pins* take the first places, in the order of the rules, best first within a rule. Nothing further
   moves them. They count for caps, novelty and new items below, and a cap holds for them too: a filter
   may match hundreds.
4. Then place by place, given the places before it:

   a. *Caps* and b. *slots for new items* say who may stand there. What an operator promises comes before
      what is merely good, and caps before slots: a cap says never, a slot says some.
   c. *Diversity* says who of them is best, so that it can break no promise.
   d. *Exploration* replaces that choice, by chance, by another who may stand there. As it comes last, the
      probability of each place given those before it is that of one draw: the propensity is exact.

Whether new items need their slots is found by making the list once without slots and without chance; so it
depends on the input alone, and propensities stay exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.errors import ListQueryError
from models.reranking.candidates import RerankedItem, RerankInput
from models.reranking.caps import CapCounter
from models.reranking.diversity import (
    AttributeDistances,
    ContentDistances,
    Distances,
    SummedDistances,
    relevance,
)
from models.reranking.exploration import Greedy, Policy, policy_of
from models.reranking.new_items import (
    Slots,
    latest_deadlines,
    slots_of,
    spread_deadlines,
    within_margin,
)
from models.reranking.repeats import without_repeats
from models.reranking.rules import Ruled, apply_rules
from models.reranking.settings import RerankSettings
from models.reranking.shared_values import SharedValues
from models.retrieval.filters import AttributeValue

Mask = NDArray[np.bool_]


def rerank(
    candidates: RerankInput, count: int, settings: RerankSettings, random: np.random.Generator
) -> list[RerankedItem]:
    """The list that is shown, first place first: ``count`` of the candidates, or all where there are fewer.

    The same input and the same state of ``random`` give the same list; it is drawn from only where
    ``settings.exploration`` is on.

    Args:
        candidates: Best first.
        count: Places of the list, ≥ 1.
        settings: What is done; with none of it set, the first ``count`` candidates stay as they are.
        random: Where chance comes from.

    Raises:
        ListQueryError: ``count`` is below 1.
    """
    if count < 1:
        raise ListQueryError(f"a list of {count} items was asked for; it must be at least 1")
    if not candidates.item_ids:
        return []
    size = len(candidates.item_ids)
    attributes = (
        [candidates.attributes(position) for position in range(size)]
        if settings.rules or settings.max_per_attribute or (settings.diversity > 0 and settings.diversity_by)
        else []
    )
    ruled = apply_rules(settings.rules, candidates.scores, attributes)
    scores = candidates.scores + ruled.boosted + ruled.buried
    order = list(range(size))
    if any(rule.effect != "pin" for rule in settings.rules):
        order = np.lexsort((candidates.hashes, -scores)).tolist()
    if settings.no_repeat_hours > 0 and candidates.shown_ms:
        order = without_repeats(
            order,
            candidates.item_ids,
            candidates.shown_ms,
            candidates.now_ms,
            settings.no_repeat_hours,
            count,
            ruled.pins,
        )
    ordered = [attributes[position] for position in order] if attributes else []
    pool = _Pool.of(candidates, settings, ruled, order, scores, ordered)
    places = min(count, len(order))
    policy = policy_of(settings, pool.relevance, pool.positives, random)
    deadlines = _deadlines(pool, scores[order], places, count, settings)
    listed = _filled(pool, places, policy, Slots(deadlines))
    return [_item(ruled, order[one.candidate], one) for one in listed]


@dataclass(frozen=True, slots=True)
class _Pool:
    """The m candidates that are left, in the order of scores, and what the places are filled by.

    ``shared`` is None where there are no caps, ``distances`` where there is no diversity.
    """

    pins: list[int]
    is_new: Mask
    relevance: NDArray[np.float64]
    positives: NDArray[np.int64]
    settings: RerankSettings
    shared: SharedValues | None
    distances: Distances | None

    @classmethod
    def of(
        cls,
        candidates: RerankInput,
        settings: RerankSettings,
        ruled: Ruled,
        order: Sequence[int],
        scores: NDArray[np.float64],
        attributes: Sequence[Mapping[str, AttributeValue]],
    ) -> _Pool:
        pinned = [place for place, position in enumerate(order) if position in ruled.pins]
        return cls(
            pins=sorted(pinned, key=lambda place: ruled.pins[order[place]]),
            is_new=candidates.positives[order] < settings.new_item_events,
            relevance=relevance(scores[order]),
            positives=candidates.positives[order],
            settings=settings,
            shared=SharedValues(settings.max_per_attribute, attributes)
            if settings.max_per_attribute
            else None,
            distances=_distances(settings, candidates.vectors[order], attributes),
        )


def _distances(
    settings: RerankSettings,
    vectors: NDArray[np.float32],
    attributes: Sequence[Mapping[str, AttributeValue]],
) -> Distances | None:
    if settings.diversity <= 0:
        return None
    if settings.diversity_by:
        return AttributeDistances(settings.diversity_by, attributes)
    return ContentDistances(vectors)


@dataclass(frozen=True, slots=True)
class _Listed:
    candidate: int
    propensity: float | None
    moves: tuple[str, ...]


def _deadlines(
    pool: _Pool, scores: NDArray[np.float64], places: int, count: int, settings: RerankSettings
) -> list[int]:
    """By when new items have to come."""
    slots = min(slots_of(settings.new_item_slots, count), places, int(pool.is_new.sum()))
    if settings.new_item_margin is not None:
        new, known = scores[pool.is_new], scores[~pool.is_new]
        slots = within_margin(new, known, places, slots, settings.new_item_margin)
    if not slots:
        return []
    # Looked at place by place, and no further than is needed to know.
    base = _filled(pool, places, Greedy(), Slots([]))
    enough = sum(1 for _ in islice((one for one in base if pool.is_new[one.candidate]), slots)) == slots
    return latest_deadlines(slots, places) if enough else spread_deadlines(slots, places)


def _filled(pool: _Pool, places: int, policy: Policy, slots: Slots) -> Iterator[_Listed]:
    """The pins, then place by place."""
    growing = _Growing(pool, slots, places)
    certain = None if isinstance(policy, Greedy) else 1.0
    for candidate in pool.pins:
        if len(growing.listed) == places:
            break
        if growing.caps is None or growing.caps.fits(candidate):
            yield growing.add(_Listed(candidate, certain, ("pin",)))
    while len(growing.listed) < places:
        yield growing.add(growing.next(policy))


class _Growing:
    """A list that grows place by place."""

    def __init__(self, pool: _Pool, slots: Slots, places: int) -> None:
        self.listed: list[_Listed] = []
        settings = pool.settings
        self.caps = None if pool.shared is None else CapCounter(pool.shared, settings.max_per_attribute)
        self._is_new = pool.is_new
        self._slots = slots
        self._remaining: Mask = np.ones(len(pool.is_new), np.bool_)
        self._relevance = pool.relevance
        self._marginal = (
            None
            if pool.distances is None
            else SummedDistances(pool.relevance, pool.distances, settings.diversity, places)
        )

    def add(self, one: _Listed) -> _Listed:
        self.listed.append(one)
        self._remaining[one.candidate] = False
        if self._is_new[one.candidate]:
            self._slots.add_new()
        if self.caps is not None:
            self.caps.add(one.candidate)
        if self._marginal is not None:
            self._marginal.add(one.candidate)
        return one

    def next(self, policy: Policy) -> _Listed:
        """Who comes next, and why."""
        moves: list[str] = []
        remaining = self._remaining
        allowed, best = remaining, self._best(remaining)
        if self.caps is not None:
            allowed = self.caps.fitting(remaining)
            if not allowed[best]:
                best = self._best(allowed)
                moves.append("cap")
        first = allowed.argmax()
        if self._slots.due(len(self.listed)):
            new = allowed & self._is_new
            if new.any():
                allowed = new
                if not new[best]:
                    best, first = self._best(new), new.argmax()
                    moves.append("new_item")
        if best != first:
            moves.append("diversity")
        utility = self._relevance if self._marginal is None else self._marginal.utility
        chosen, propensity = policy.choose(best, allowed, utility)
        return _Listed(chosen, propensity, tuple(moves) if chosen == best else ("exploration",))

    def _best(self, allowed: Mask) -> int:
        """The candidate of the greatest utility; of equal ones, that of the best score."""
        if self._marginal is None:
            return int(allowed.argmax())
        return int(np.where(allowed, self._marginal.utility, -np.inf).argmax())


def _item(ruled: Ruled, position: int, listed: _Listed) -> RerankedItem:
    boosted, buried = float(ruled.boosted[position]), float(ruled.buried[position])
    moves = listed.moves
    if buried:
        moves = ("bury", *moves)
    if boosted:
        moves = ("boost", *moves)
    return RerankedItem(position, listed.propensity, moves, boosted, buried)
