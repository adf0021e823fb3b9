"""Snapshots of the items in memory, over a real Kafka: a worker that starts reads what came after."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer

from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from tests.conftest import KafkaServer
from tests.integration.driver_helpers import create_topic, delete_topic, settings_for, until
from tests.unit.workers.fakes import NOW
from workers.index_snapshot import IndexSnapshot
from workers.index_snapshots import IndexSnapshots
from workers.listed_spaces import ListedSpace
from workers.vectors_to_index import IndexUpdater

MODEL: Any = SimpleNamespace(fusion=SimpleNamespace(dimension=2))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Items of the records that were read, whoever read them."""
    found: list[str] = []
    put = IndexUpdater.put

    def noting(self: IndexUpdater, vector: ItemVector) -> bool:
        found.append(vector.item_id)
        return put(self, vector)

    monkeypatch.setattr(IndexUpdater, "put", noting)
    return found


async def publish(settings: Settings, topic: str, items: Sequence[str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await producer.start()
    try:
        for number, item_id in enumerate(items):
            vector = ItemVector(
                item_id=item_id,
                version=ItemVersion(1, 0, number, number),
                revision=1,
                vector=np.array([1.0, 0.0], "<f2").tobytes(),
                modalities=[],
                created_at=NOW,
            )
            await producer.send_and_wait(topic, encode(vector), key=item_id.encode(), partition=number % 2)
    finally:
        await producer.stop()


async def restored(settings: Settings, folder: Path, topic: str, **others: Any) -> ListedSpace:
    space = ListedSpace(settings, topic, MODEL)
    await IndexSnapshots(settings, folder, **others).restore(space)
    await space.follower.start()
    return space


async def test_a_worker_that_starts_reads_what_came_after_the_snapshot(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path, read: list[str]
) -> None:
    settings, topic = settings_for(kafka.bootstrap_servers, ""), f"{topic_prefix}vectors"
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish(settings, topic, ["a", "b", "c"])
    space = await restored(settings, tmp_path, topic)
    snapshots = IndexSnapshots(settings, tmp_path)
    snapshots.start(lambda: space)
    await until(snapshots.path(topic).exists, "the first snapshot")
    await snapshots.stop()
    await space.follower.stop()
    assert sorted(read) == ["a", "b", "c"]

    read.clear()
    await publish(settings, topic, ["d", "e"])
    space = await restored(settings, tmp_path, topic)
    await space.follower.stop()
    assert sorted(read) == ["d", "e"]
    assert sorted(space.index.item_rows) == ["a", "b", "c", "d", "e"]

    # Of tombstones that Kafka has dropped by then nothing would be known.
    read.clear()
    space = await restored(settings, tmp_path, topic, now_ms=lambda: 10**15)
    await space.follower.stop()
    assert len(read) == 5

    # The same name, and another topic, with as many records.
    await delete_topic(kafka.bootstrap_servers, topic)
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish(settings, topic, list("uvwxyz"))
    space = await restored(settings, tmp_path, topic)
    await space.follower.stop()
    assert sorted(space.index.item_rows) == list("uvwxyz")


async def test_the_last_snapshot_is_written_at_the_end_and_only_where_something_changed(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path
) -> None:
    settings, topic = settings_for(kafka.bootstrap_servers, ""), f"{topic_prefix}vectors"
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish(settings, topic, ["a"])
    space = await restored(settings, tmp_path, topic)
    clock_s = 0

    def later_ms() -> int:
        # Whatever is there was written long ago.
        return 10**13 + clock_s * 1_000

    snapshots = IndexSnapshots(settings, tmp_path, later_ms)
    snapshots.start(lambda: space)
    await until(snapshots.path(topic).exists, "the first snapshot")
    await publish(settings, topic, ["b"])
    await publish(settings, topic, ["c"])
    await until(lambda: len(space.index) == 3, "the items")
    await snapshots.stop()
    await space.follower.stop()
    again = ListedSpace(settings, topic, MODEL)
    fresh = IndexSnapshots(settings, tmp_path, later_ms)
    await fresh.restore(again)
    assert sorted(again.index.item_rows) == ["a", "b", "c"]
    written_ns = snapshots.path(topic).stat().st_mtime_ns
    fresh.start(lambda: again)
    await fresh.stop()
    assert snapshots.path(topic).stat().st_mtime_ns == written_ns


async def test_a_disk_that_takes_its_time_holds_up_no_item(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, topic = settings_for(kafka.bootstrap_servers, ""), f"{topic_prefix}vectors"
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish(settings, topic, ["a"])
    space = await restored(settings, tmp_path, topic)
    begun, may_end, written = threading.Event(), threading.Event(), []

    def slow(path: Path, snapshot: IndexSnapshot) -> None:
        begun.set()
        may_end.wait(60)
        written.append(snapshot.items.item_ids)

    monkeypatch.setattr("workers.index_snapshots.write_snapshot", slow)
    snapshots = IndexSnapshots(settings, tmp_path)
    snapshots.start(lambda: space)
    await until(begun.is_set, "the write")
    await publish(settings, topic, ["b", "c"])
    await until(lambda: len(space.index) == 3, "the items")
    may_end.set()
    await snapshots.stop()
    await space.follower.stop()
    # What was there when it was begun, and at the end all.
    assert [sorted(items) for items in written] == [["a"], ["a", "b", "c"]]
