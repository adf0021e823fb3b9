"""Reading for ever: Kafka away, and a defect, end one connection and not the reading."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.errors import ConfigurationError
from streams.settings import Settings, load_settings
from workers import reading_task
from workers.reading_task import ReadingTask


class FakeConsumer:
    """Connects, or fails as it is told to, once for each failure."""

    failures: ClassVar[list[Exception]] = []
    open = 0
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        type(self).options = options

    async def start(self) -> None:
        type(self).open += 1
        if self.failures:
            raise self.failures.pop(0)

    async def stop(self) -> None:
        type(self).open -= 1


@pytest.fixture(autouse=True)
def consumer(monkeypatch: pytest.MonkeyPatch) -> type[FakeConsumer]:
    monkeypatch.setattr(FakeConsumer, "failures", [])
    monkeypatch.setattr(FakeConsumer, "open", 0)
    monkeypatch.setattr(reading_task, "Consumer", FakeConsumer)
    monkeypatch.setattr(reading_task, "FIRST_WAIT_S", 0.001)
    return FakeConsumer


def reading(read: Any, settings: Settings | None = None) -> ReadingTask:
    return ReadingTask(settings or load_settings(), "test", read, offset_reset="earliest", check_s=5.0)


@pytest.mark.parametrize("failure", [KafkaConnectionError("away"), OSError("reset"), ValueError("a defect")])
async def test_what_fails_is_connected_to_anew(consumer: type[FakeConsumer], failure: Exception) -> None:
    consumer.failures = [failure, failure]
    times = 0

    async def read(_: Any) -> None:
        nonlocal times
        times += 1
        assert consumer.open == 1, "the one before is closed"
        if times == 1:
            raise failure
        task.ready.set()
        await asyncio.Event().wait()

    task = reading(read)
    await task.start()
    assert times == 2
    assert consumer.options["auto_offset_reset"] == "earliest"
    await task.stop()
    assert consumer.open == 0


async def test_the_start_waits_no_longer_than_it_is_told_to() -> None:
    async def read(_: Any) -> None:
        await asyncio.Event().wait()

    task = reading(read)
    await task.start(0.01)
    assert not task.ready.is_set()
    await task.stop()


async def test_settings_that_cannot_work_are_told_at_once(tmp_path: Any) -> None:
    async def read(_: Any) -> None:
        raise AssertionError("it is never connected")

    missing = {"security_protocol": "SSL", "ca_file": tmp_path / "none.pem"}
    with pytest.raises(ConfigurationError):
        await reading(read, load_settings(kafka=missing)).start()
