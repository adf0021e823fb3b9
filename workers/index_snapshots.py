"""Snapshots of the items in memory: read at the start, written now and then and at the end.

A snapshot saves reading, and nothing else: where there is none, or none that can be used, `item-vectors` is
read from its start. One is used where it is certain that Kafka still has all that came after it: of the same
topic, not beyond its end, and younger than half the time that Kafka keeps tombstones.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.consumer import Consumer
from streams.errors import ConfigurationError
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings
from streams.topic_ids import fetch_topic_ids
from workers.background import in_background
from workers.index_snapshot import (
    IndexSnapshot,
    SnapshotFileError,
    delete_old,
    read_snapshot,
    write_snapshot,
)
from workers.listed_spaces import ListedSpace
from workers.vectors_to_index import UpdaterState

_HOUR_MS = 3_600_000
_LAST_S = 5.0

_log = structlog.get_logger()


class IndexSnapshots:
    """Keeps a snapshot of the space in use.

    Args:
        folder: Where; a file for each topic.
        now_ms: The clock, milliseconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._folder = folder.expanduser()
        self._interval_s = settings.recommend.snapshot_interval_s
        self._most_age_ms = settings.topics.delete_retention_hours * _HOUR_MS / 2
        self._now_ms = now_ms
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        # Of when reading began: what is read of a topic is nothing of one created again under its name.
        self._topic_ids: dict[str, str] = {}
        self._written: tuple[str, dict[int, int]] | None = None
        self._in_use: Callable[[], ListedSpace] | None = None

    def path(self, topic: str) -> Path:
        """Where the snapshot of a topic's items is."""
        return self._folder / f"{topic}.npz"

    async def restore(self, space: ListedSpace) -> None:
        """Give a space that is not started what the last snapshot holds, where it can be used."""
        path = self.path(space.topic)
        try:
            topic_id, ends = await self._of_kafka(space.topic)
            snapshot = await in_background(
                lambda: self._read(path, space.index.dimension, topic_id), "snapshot"
            )
            if any(offset > ends.get(partition, 0) for partition, offset in snapshot.positions.items()):
                raise SnapshotFileError("Kafka has lost what is in it")
            space.restore(
                UpdaterState(snapshot.items, snapshot.versions, snapshot.withdrawn), snapshot.positions
            )
        except FileNotFoundError:
            return
        except (ValueError, ConfigurationError, KafkaError, OSError) as error:
            _log.warning("a snapshot is not used: all items are read", path=str(path), reason=str(error))
            return
        self._written = (space.topic, dict(snapshot.positions))
        behind = sum(end - snapshot.positions.get(partition, 0) for partition, end in ends.items())
        _log.info(
            "items restored from a snapshot", path=str(path), items=len(space.index), records_since=behind
        )

    def _read(self, path: Path, dimension: int, topic_id: str) -> IndexSnapshot:
        return read_snapshot(
            path,
            dimension,
            lambda id_, at_ms: id_ == topic_id and 0 <= self._now_ms() - at_ms <= self._most_age_ms,
        )

    def start(self, in_use: Callable[[], ListedSpace]) -> None:
        """Write snapshots of the space in use from now on."""
        self._in_use = in_use
        self._task = asyncio.create_task(self._run(), name="index snapshots")

    async def stop(self) -> None:
        """Write the last one; a disk that does not take it is not waited for long."""
        if self._task is not None:
            self._ending.set()
            await asyncio.wait([self._task], timeout=_LAST_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        # One soon: whoever is started next finds it.
        await self._write()
        while not self._ending.is_set():
            try:
                await asyncio.wait_for(self._ending.wait(), self._interval_s)
            except TimeoutError:
                await self._write()
        await self._write()

    async def _write(self) -> None:
        """Write one, unless nothing has changed or another worker has just done so."""
        assert self._in_use is not None
        space = self._in_use()
        path = self.path(space.topic)
        try:
            age_s = await in_background(lambda: self._age_s(path), "snapshot")
            is_young = 0 <= age_s < self._interval_s / 2 and not self._ending.is_set()
            if is_young or self._written == (space.topic, space.follower.positions):
                return
            topic_id = self._topic_ids.get(space.topic) or (await self._of_kafka(space.topic))[0]
            snapshot = await self._taken(space, topic_id)
            # Items are read meanwhile: a disk may take its time.
            await in_background(lambda: self._keep(path, snapshot), "snapshot")
            self._written = (space.topic, dict(snapshot.positions))
        except (ConfigurationError, KafkaError, OSError) as error:
            _log.warning("no snapshot could be written", path=str(path), reason=str(error))
        except Exception:
            _log.exception("defect: no snapshot could be written", path=str(path))

    async def _taken(self, space: ListedSpace, topic_id: str) -> IndexSnapshot:
        """What the space holds, of one moment."""
        taken: list[IndexSnapshot] = []

        def take() -> None:
            state, positions = space.follower.updater.state(), space.follower.positions
            taken.append(
                IndexSnapshot(
                    topic_id, positions, self._now_ms(), state.items, state.versions, state.withdrawn
                )
            )

        await space.quietly(take)
        return taken[0]

    def _keep(self, path: Path, snapshot: IndexSnapshot) -> None:
        write_snapshot(path, snapshot)
        delete_old(path, self._now_ms() - self._most_age_ms)

    def _age_s(self, path: Path) -> float:
        """Infinite where there is none."""
        try:
            return (self._now_ms() - path.stat().st_mtime * 1_000) / 1_000
        except FileNotFoundError:
            return math.inf

    async def _of_kafka(self, topic: str) -> tuple[str, dict[int, int]]:
        """The topic's id, and the end of each partition."""
        consumer = Consumer(**aiokafka_arguments(self._settings.kafka), enable_auto_commit=False)
        try:
            await consumer.start()
            ids = await fetch_topic_ids(consumer._client, [topic])
            found = await consumer._client.fetch_all_metadata()
            numbers = found.partitions_for_topic(topic) or set()
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
        finally:
            with suppress(KafkaError, OSError):
                await consumer.stop()
        if topic not in ids:
            raise ConfigurationError(f"there is no topic {topic}")
        self._topic_ids[topic] = ids[topic]
        return ids[topic], {partition.partition: end for partition, end in ends.items()}
