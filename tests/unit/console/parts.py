"""What tests of the console share: a console without Kafka, and records as Kafka gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from streams.codec import encode
from streams.fields import Message
from streams.messages import Event, Item, RecommendationRequest
from streams.settings import Settings
from workers.console.console import Console
from workers.erased_people import since_header


@dataclass(frozen=True)
class FakeRecord:
    """Of an `aiokafka.ConsumerRecord`, what is read."""

    key: bytes | None
    value: bytes | None
    topic: str = "t"
    partition: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def record(key: str, message: Message | None, offset: int = 0, since_ms: int = 0) -> Any:
    value = None if message is None else encode(message)
    return FakeRecord(key.encode(), value, offset=offset, headers=since_header(since_ms))


@dataclass
class Published:
    """What would have gone to Kafka."""

    events: list[Event] = field(default_factory=list)
    requests: list[RecommendationRequest] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


class OfflineConsole(Console):
    """A console that reads nothing and keeps what it would publish."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.published = Published()

    async def __aenter__(self) -> Self:
        await self.media.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.media.__aexit__(*error)

    async def event(self, event: Event) -> None:
        self.published.events.append(event)

    async def request(self, request: RecommendationRequest) -> None:
        self.published.requests.append(request)

    async def item(self, item: Item) -> None:
        self.published.items.append(item)
