"""In a storm every dead letter is written, but not every payload."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.codec import decode_value
from streams.dead_letters import dead_letter_outgoing
from streams.errors import InvalidError
from streams.messages import DeadLetter
from streams.records import Outgoing
from streams.topics import DEAD_LETTERS
from tests.unit.workers.fakes import FakePublisher, record
from workers.letter_payloads import LimitedPayloads

TOPIC = "t.dead-letters"


class Storm:
    def __init__(self, bytes_per_minute: int) -> None:
        self.publisher = FakePublisher()
        self.now_s = 100.0
        self.limited = LimitedPayloads(self.publisher, TOPIC, bytes_per_minute, lambda: self.now_s)

    async def send(self, size: int, topic: str = TOPIC) -> Outgoing:
        source = record("t.items", b"x" * size, key=b"a", offset=7)
        await self.limited.publish(
            [dead_letter_outgoing(topic, source, "text", InvalidError("too bad"), datetime.now(UTC))]
        )
        (one,) = self.publisher.take()
        return one


def read(one: Outgoing) -> DeadLetter:
    return decode_value(one.value or b"", DEAD_LETTERS)


async def test_beyond_the_limit_letters_say_where_their_message_is_but_do_not_bring_it() -> None:
    storm = Storm(30_000)
    first, second, third = [read(await storm.send(9_000)) for _ in range(3)]
    assert first.payload
    assert second.payload
    assert third.payload is None
    assert third.source == first.source
    assert (third.reason, third.detail) == (first.reason, first.detail)


async def test_small_letters_are_always_whole() -> None:
    storm = Storm(0)
    assert read(await storm.send(100)).payload
    assert read(await storm.send(9_000)).payload is None


async def test_after_a_while_payloads_come_again() -> None:
    storm = Storm(15_000)
    assert read(await storm.send(9_000)).payload
    storm.now_s += 30.0
    assert read(await storm.send(9_000)).payload is None
    storm.now_s += 30.0
    assert read(await storm.send(9_000)).payload
    storm.now_s += 86_400.0
    assert read(await storm.send(9_000)).payload
    assert read(await storm.send(9_000)).payload is None, "no more than a minute's worth is saved up"


async def test_other_topics_are_left_alone() -> None:
    storm = Storm(0)
    assert read(await storm.send(9_000, topic="t.other")).payload
