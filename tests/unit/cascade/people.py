"""People and events for tests of the cascade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from models.cascade.person import Interaction, Person
from models.retrieval.index import ItemIndex

START_MS = 1_700_000_000_000


def person(
    user_id: str,
    entries: Sequence[tuple[str, float, float]] = (),
    now_s: float = 0.0,
    events: int | None = None,
) -> Person:
    """A person with these entries of item, weight and seconds since the start."""
    return Person(
        user_id,
        tuple(item_id for item_id, _, _ in entries),
        np.array([weight for _, weight, _ in entries], np.float32),
        np.array([START_MS + round(second * 1_000) for _, _, second in entries], np.int64),
        len(entries) if events is None else events,
        sum(weight > 0 for _, weight, _ in entries),
        START_MS + round(now_s * 1_000),
    )


def event(user_id: str, item_id: str, second: float, weight: float = 1.0) -> Interaction:
    """An event so many seconds after the start."""
    return Interaction(user_id, item_id, "rate", weight, START_MS + round(second * 1_000))


def stream(seed: int, people: int, items: int, events: int) -> Iterator[tuple[Person, Interaction]]:
    """Events of people who like the items of one half, each with the person as before it."""
    random = np.random.default_rng(seed)
    entries: dict[int, list[tuple[str, float, float]]] = {}
    second = 0.0
    for _ in range(events):
        second += float(random.choice([0.0, 1.0, 40.0, 4_000.0]))
        user = int(random.integers(people))
        half = items // 2
        number = int(random.integers(half)) + (user % 2) * half
        history = entries.setdefault(user, [])
        weight = float(random.integers(-1, 3))
        before = person(f"u{user}", history[-199:], second, len(history))
        yield before, event(f"u{user}", f"i{number}", second, weight)
        history.append((f"i{number}", weight, second))


def index_of(items: int, seed: int = 0) -> ItemIndex:
    """An index of items i0, i1 …, with unit vectors."""
    random = np.random.default_rng(seed)
    index = ItemIndex()
    for number in range(items):
        vector = random.standard_normal(index.dimension).astype(np.float32)
        index.upsert(
            f"i{number}",
            vector / np.linalg.norm(vector),
            created_at_ms=START_MS - number * 86_400_000,
        )
    return index


def shoppers(seed: int, events: int, items: int) -> Iterator[tuple[Person, Interaction]]:
    """Strangers who click what is new, the first quarter of the items, and purchase what is old, the last.

    Four of five events are clicks.
    """
    random = np.random.default_rng(seed)
    for number in range(events):
        second = 60.0 * number
        action = "click" if random.random() < 0.8 else "purchase"
        item = int(random.integers(items // 4)) + (0 if action == "click" else items - items // 4)
        happened = replace(event(f"s{number}", f"i{item}", second), action=action)
        yield person(f"s{number}", now_s=second), happened
