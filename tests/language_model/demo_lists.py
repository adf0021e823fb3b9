"""Lists whose words are compared: the demo's own, and lists of titles that nothing has prepared for."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

from models.profile import Profile
from streams.messages import Cause
from streams.settings import Settings
from tests.language_model.corpus import facts
from tests.language_model.titles import unseen_title
from tests.unit.demo.rehearsal import CATALOGUE, rehearse
from workers.explaining.facts import ItemFacts, item_facts
from workers.list_makers import MadeList
from workers.recommend_requests import recommendation
from workers.recommendations_to_explanations import BASE_MODEL
from workers.vectors_to_titles import KnownItem

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def demo_lists(count: int, length: int, seed: int = 1) -> list[list[ItemFacts]]:
    """The last lists of a rehearsal of the demo: its catalogue, encoders, rankers and people.

    Args:
        length: Of each list, the first so many items.
    """
    known = {
        item.item_id: KnownItem(item.title, item.attributes)
        for item in (*CATALOGUE.items, *CATALOGUE.new_items)
    }
    names = Settings().explain.attributes
    found: list[list[ItemFacts]] = []

    def take(profile: Profile, made: MadeList) -> None:
        cause = Cause(kind="event", id=f"{len(found)}")
        shown = recommendation(profile, cause, made, _NOW)
        is_directed = shown.model.startswith(BASE_MODEL)
        found.append(
            [item_facts(one, known.get, names, is_directed=is_directed) for one in shown.items[:length]]
        )

    people = 64
    rehearse(seed, "cascade", acts=2 + -(-count // people), on_list=take)
    return found[-count:]


def unseen_lists(count: int, length: int, seed: int = 2) -> list[list[ItemFacts]]:
    """Lists whose titles are words that nobody has ever used."""
    chance = random.Random(seed)

    def renamed(item: ItemFacts) -> ItemFacts:
        reasons = tuple(
            replace(one, title=unseen_title(chance)) if one.title else one for one in item.reasons
        )
        return replace(item, title=unseen_title(chance), reasons=reasons)

    return [[renamed(facts(chance)) for _ in range(length)] for _ in range(count)]
