"""Titles of another space, read beside the lists that are made."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.topic_follower import BESIDE_LISTS, UNPACED, Pace
from workers.vectors_to_titles import ItemTitles
from workers.wiring import refiner
from workers.wiring.refiner import FollowedTitles


async def test_after_a_switch_titles_are_read_at_the_pace_of_what_must_not_hold_up_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    followed: list[tuple[str, Pace]] = []

    class Follower:
        def __init__(self, settings: Settings, topic: str, into: Any, *, pace: Pace = UNPACED) -> None:
            followed.append((topic, pace))

        async def start(self) -> None:
            return

        async def stop(self) -> None:
            return

    monkeypatch.setattr(refiner, "VectorsFollower", Follower)
    topics = TopicNames("t.")
    around: Any = SimpleNamespace(settings=Settings(), topics=topics)
    titles = FollowedTitles(around, ItemTitles(10, ()))
    await titles.follow("first")
    titles.move(SimpleNamespace(space="second"))  # type: ignore[arg-type]
    async with asyncio.timeout(60):
        while len(followed) < 2:
            await asyncio.sleep(0)
    await titles.stop()
    assert followed == [
        (topics.item_vectors("first"), UNPACED),
        (topics.item_vectors("second"), BESIDE_LISTS),
    ]
