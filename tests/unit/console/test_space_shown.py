"""The page shows the items of the vector space that serves, also when another one comes to serve."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from streams.model_messages import ActiveModel
from streams.settings import load_settings
from tests.unit.console.parts import OfflineConsole, record
from workers.console import console as console_module
from workers.console.topics_tail import Tailed


class FakeTail:
    """Notes which topics are followed now."""

    followed: ClassVar[list[str]] = []

    def __init__(self, settings: Any, name: str, tailed: list[Tailed]) -> None:
        self._topics = [one.topic for one in tailed]

    async def start(self) -> None:
        self.followed.extend(self._topics)

    async def stop(self) -> None:
        for topic in self._topics:
            self.followed.remove(topic)


def active(name: str, dimension: int) -> Any:
    pointer = ActiveModel(
        name=name,
        version="1",
        space=f"space-of-{name}",
        dimension=dimension,
        activated_at=datetime(2026, 1, 1, tzinfo=UTC),
        uri="file:///bundle",
        sha256="0" * 64,
    )
    return record("active", pointer)


async def test_the_space_is_followed_that_serves_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTail, "followed", [])
    monkeypatch.setattr(console_module, "TopicsTail", FakeTail)
    console = OfflineConsole(load_settings())
    start = console.space
    await console._show_space(start, console.board.dimension)
    shown = console.board
    assert FakeTail.followed == [console.topics.item_vectors(start)]

    console._take_models([active("shop", 16), active("mall", 24)])
    await asyncio.gather(*console._swaps)
    assert console.space == "space-of-mall"
    assert FakeTail.followed == [console.topics.item_vectors("space-of-mall")]
    assert console.board is not shown
    assert console.board.dimension == 24

    # The same again is no reason to read everything anew.
    held = console.board
    console._take_models([active("mall", 24)])
    await asyncio.gather(*console._swaps)
    assert console.board is held
    await console._stop_vectors()
    assert FakeTail.followed == []
