"""Faults of Kafka and Redis themselves: real ones, of the real servers."""

from __future__ import annotations

import os
import shutil
import signal
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient, NewPartitions

from streams.topics import TOPICS
from tests.faults.injectors.fault import Fault
from tests.faults.small_disk import SmallDisk
from tests.faults.world import World

# On a busy machine; it writes some times a second.
KAFKA_ENDS_S = 60.0


class _OfWorld(Fault):
    server = "Redis"

    def __init__(self, world: World, duration_s: float = 0.0) -> None:
        super().__init__(self.server, sorted({slot.role for slot in world.slots}), duration_s)
        self._world = world
        self._felt = 0


class KafkaKilled(_OfWorld):
    """SIGKILL, and started again over its data."""

    name = "Kafka killed"
    server = "Kafka"

    def inject(self) -> None:
        self._felt = sum(slot.kafka.connections > 0 for slot in self._world.slots)
        self._world.kafka.kill()

    def heal(self) -> int:
        self._world.kafka.start()
        return self._felt


class KafkaDiskFull(_OfWorld):
    """The file system of Kafka's data has no byte left: Kafka ends. With room it is started again."""

    name = "Kafka disk full"
    server = "Kafka"

    def inject(self) -> None:
        self._felt = sum(slot.kafka.connections > 0 for slot in self._world.slots)
        self._disk.fill()

    def heal(self) -> int:
        kafka = self._world.kafka
        deadline_s = time.monotonic() + KAFKA_ENDS_S
        while kafka.is_running and time.monotonic() < deadline_s:
            time.sleep(0.1)
        if kafka.is_running:
            # It wrote nothing.
            self._felt = 0
            kafka.kill()
        self._disk.free()
        kafka.start()
        return self._felt

    @property
    def _disk(self) -> SmallDisk:
        disk = self._world.kafka_disk
        assert disk is not None
        return disk


class KafkaStalled(_OfWorld):
    """SIGSTOP of Kafka for a while."""

    name = "Kafka stalled"
    server = "Kafka"

    def inject(self) -> None:
        self._felt = sum(slot.kafka.connections > 0 for slot in self._world.slots)
        os.kill(self._world.kafka.pid, signal.SIGSTOP)

    def heal(self) -> int:
        os.kill(self._world.kafka.pid, signal.SIGCONT)
        return self._felt


class PartitionsAdded(_OfWorld):
    """Every topic keyed by person gets a partition more."""

    name = "partitions added"
    server = "Kafka"

    def inject(self) -> None:
        world = self._world
        admin = KafkaAdminClient(bootstrap_servers=world.kafka.bootstrap_servers)
        try:
            names = [world.names.of(topic) for topic in TOPICS if topic.partitions == "user"]
            counts = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(names)}
            admin.create_partitions({name: NewPartitions(counts[name] + 1) for name in names})
            self._felt = len(names)
        finally:
            admin.close()

    def heal(self) -> int:
        return self._felt


class RedisKilled(_OfWorld):
    """SIGKILL, and started again with its data."""

    name = "Redis killed"

    def inject(self) -> None:
        self._felt = sum(slot.redis.connections > 0 for slot in self._world.slots)
        self._world.redis.kill()

    def heal(self) -> int:
        self._world.redis.start()
        return self._felt


class RedisEmptied(RedisKilled):
    """SIGKILL, and started again without any data."""

    name = "Redis emptied"

    def heal(self) -> int:
        self._world.replace_redis(None)
        return self._felt


class RedisSetBack(RedisKilled):
    """SIGKILL, and started again with the data of some time ago."""

    name = "Redis set back"

    def __init__(self, world: World, snapshot: Path, duration_s: float = 0.0) -> None:
        super().__init__(world, duration_s)
        self._snapshot = snapshot

    def heal(self) -> int:
        self._world.replace_redis(self._snapshot)
        return self._felt


def snapshot_of_redis(world: World, folder: Path) -> Path:
    """A copy of Redis's data, as a backup takes it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.redis.data_dir, folder)
    return folder


class RedisStalled(_OfWorld):
    """SIGSTOP of Redis for a while: nobody is answered."""

    name = "Redis stalled"

    def inject(self) -> None:
        self._felt = sum(slot.redis.connections > 0 for slot in self._world.slots)
        os.kill(self._world.redis.pid, signal.SIGSTOP)

    def heal(self) -> int:
        os.kill(self._world.redis.pid, signal.SIGCONT)
        return self._felt


class _RedisAnswers(_OfWorld):
    """Redis itself answers with an error. Felt: how many commands it has refused, by its own count."""

    error: str

    def inject(self) -> None:
        with self._world.redis_client() as redis:
            self._felt = self._refused(redis.info("errorstats"))
            self.begin(redis)

    def heal(self) -> int:
        with self._world.redis_client() as redis:
            self.end(redis)
            return self._refused(redis.info("errorstats")) - self._felt

    @abstractmethod
    def begin(self, redis: object) -> None: ...

    @abstractmethod
    def end(self, redis: object) -> None: ...

    def _refused(self, stats: dict[str, Any]) -> int:
        """All errors but for scripts that Redis does not have yet; errors within scripts count as ``ERR``."""
        return sum(int(one["count"]) for name, one in stats.items() if name != "errorstat_NOSCRIPT")


class RedisOutOfMemory(_RedisAnswers):
    """`maxmemory` below what is used, with `noeviction`."""

    name = "Redis out of memory"

    def begin(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.config_set("maxmemory", 1_000_000)

    def end(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.config_set("maxmemory", 0)


class RedisReadOnly(_RedisAnswers):
    """A replica of a server that is not there: it reads, and refuses writes."""

    name = "Redis read-only"

    def begin(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.execute_command("REPLICAOF", "127.0.0.1", "1")

    def end(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.execute_command("REPLICAOF", "NO", "ONE")


class RedisWithoutReplicas(_RedisAnswers):
    """Too few replicas: it refuses writes."""

    name = "Redis without replicas"

    def begin(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.config_set("min-replicas-to-write", 1)

    def end(self, redis) -> None:  # type: ignore[no-untyped-def]
        redis.config_set("min-replicas-to-write", 0)


class RedisDiskFull(_RedisAnswers):
    """The file system of Redis's data has no byte left: its append-only file cannot be written."""

    name = "Redis disk full"

    def begin(self, redis) -> None:  # type: ignore[no-untyped-def]
        disk = self._world.redis_disk
        assert disk is not None
        disk.fill()

    def end(self, redis) -> None:  # type: ignore[no-untyped-def]
        disk = self._world.redis_disk
        assert disk is not None
        disk.free()
