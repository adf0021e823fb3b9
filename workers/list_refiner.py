"""A list whose first items a language model puts in another order, for requests that ask for it.

It never adds or removes an item, and whatever goes wrong leaves the list as it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import msgspec

from models.profile import Profile
from models.ranking import Reason, ScoredItem
from streams.metrics import counter
from streams.refine_settings import RefineSettings
from workers.explaining.brief import reads_like_instructions
from workers.explaining.facts import ItemText, words_of
from workers.language_model.list_order import ItemWords, OrderReader
from workers.list_makers import MadeList

REASON: Final = "refined"
REFINED = counter(
    "freshet_lists_refined_total",
    "lists",
    "Lists that a request asked to have refined, by outcome: reordered, unchanged, or as they were made "
    "because the answer was no order (invalid), came not in time or not at all (no_answer), the model was "
    "not to be asked just then (not_asked), or there is nothing to order by: fewer than two items have "
    "words, the model is told none of the person's choices, or the list is for words or seed items "
    "(nothing_to_order).",
    ("outcome",),
)


class RefinesLists(Protocol):
    """Refines lists, as the recommend role sees it."""

    async def refine(
        self, profile: Profile, made: MadeList, within_s: float, *, is_own: bool = True
    ) -> MadeList:
        """The list, perhaps in another order, after so long at most. Raises nothing but defects.

        Args:
            is_own: Whether what the person has chosen tells what the list is to be; not where it is asked
                for in words or by seed items.
        """


class ListRefiner:
    """Puts the first items in the order that a model gives.

    Args:
        find: Title and attributes of an item by its id, None where they are not known.
        tells_past_items: Whether the model may be told what the person has chosen.
    """

    def __init__(
        self,
        orders: OrderReader,
        find: Callable[[str], ItemText | None],
        settings: RefineSettings,
        *,
        tells_past_items: bool,
    ) -> None:
        self._orders = orders
        self._find = find
        self._settings = settings
        self._tells_past_items = tells_past_items

    async def refine(
        self, profile: Profile, made: MadeList, within_s: float, *, is_own: bool = True
    ) -> MadeList:
        """See `RefinesLists.refine`."""
        chosen = self._chosen(profile) if is_own else []
        items = made.result.items
        words = [self._words(item.item_id) for item in items[: self._settings.items]]
        # What has no words, or words that are written for a model, keeps its place.
        places = [place for place, one in enumerate(words) if one is not None]
        if not chosen or len(places) < 2:
            REFINED.labels("nothing_to_order").inc()
            return made
        found = await self._orders.order(
            chosen,
            [one for one in words if one is not None],
            min(within_s, self._settings.timeout_ms / 1_000),
        )
        REFINED.labels(found.outcome).inc()
        if found.outcome != "reordered":
            return made
        refined = list(items)
        for place, number in zip(places, found.numbers, strict=True):
            refined[place] = _placed(items[places[number]], is_moved=places[number] != place)
        result = replace(made.result, items=tuple(refined))
        return MadeList(result, f"{made.model}+{self._orders.model}", made.experiment, made.arm)

    def _chosen(self, profile: Profile) -> list[ItemWords]:
        """What the person chose last, the latest first, each once."""
        if not self._tells_past_items:
            return []
        liked = dict.fromkeys(one.item_id for one in reversed(profile.history) if one.weight > 0)
        found = (self._words(item_id) for item_id in list(liked)[: self._settings.past_items])
        return [one for one in found if one is not None]

    def _words(self, item_id: str) -> ItemWords | None:
        known = self._find(item_id)
        if known is None:
            return None
        title, attributes = words_of(known, self._settings.attributes)
        told = [title, *(value for values in attributes.values() for value in values)]
        return None if not title or any(map(reads_like_instructions, told)) else ItemWords(title, attributes)


def _placed(item: ScoredItem, *, is_moved: bool) -> ScoredItem:
    """The item at its new place, where it no longer stands by the chance that its propensity tells."""
    moved = (Reason(REASON, 0.0),) if is_moved else ()
    return msgspec.structs.replace(item, reasons=(*item.reasons, *moved), propensity=None)
