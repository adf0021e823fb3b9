"""When work that a fault held up is done: by what each role's consumer group has acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from streams.topics import TOPICS
from tests.faults.world import PREFIX, World

EVERY_S = 0.3
# Their groups are named after the vector space as well.
_OF_A_SPACE = ("text", "image", "audio", "video", "fuse")


class Recovery:
    """One fault that is over: what was published until then must be acknowledged by these roles.

    Args:
        healed_s: When it was over.
        is_back: Whether the worker that it hit works again: where nothing was published for its role, all of
            that is acknowledged while there is no worker.

    Attributes:
        recovered_s: Seconds from the end of the fault; None until then.
    """

    def __init__(
        self, roles: Collection[str], healed_s: float, is_back: Callable[[], bool] = lambda: True
    ) -> None:
        self.roles = frozenset(roles)
        self.healed_s = healed_s
        self._is_back = is_back
        self.recovered_s: float | None = None
        self._targets: dict[str, dict[TopicPartition, int]] | None = None

    def look(
        self,
        asked_s: float,
        ends: dict[TopicPartition, int],
        committed: dict[str, dict[TopicPartition, int]],
        read: dict[str, list[str]],
    ) -> None:
        """Compare with what Kafka said; ``asked_s`` is before it was asked."""
        if asked_s < self.healed_s:
            return
        if self._targets is None:
            self._targets = {
                role: {one: end for one, end in ends.items() if one.topic in read[role] and end > 0}
                for role in self.roles
            }
        done = all(
            committed.get(role, {}).get(one, 0) >= end
            for role, target in self._targets.items()
            for one, end in target.items()
        )
        if done and self.recovered_s is None and self._is_back():
            self.recovered_s = time.monotonic() - self.healed_s


class RecoveryWatch:
    """A thread that asks Kafka some times a second. A context manager."""

    def __init__(self, world: World) -> None:
        self._world = world
        roles = sorted({slot.role for slot in world.slots})
        names, space = world.names, world.space
        self._groups = {
            role: f"{PREFIX}{role}.{space}" if role in _OF_A_SPACE else PREFIX + role for role in roles
        }
        self._read = {
            role: [
                names.of(topic, space if topic.name == "item-vectors" else None)
                for topic in TOPICS
                if role in topic.read_by and role not in topic.followed_by
            ]
            for role in roles
        }
        self._open: list[Recovery] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self.lag: dict[str, int] = {}

    def __enter__(self) -> RecoveryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60.0)

    def after(self, roles: Collection[str], is_back: Callable[[], bool] = lambda: True) -> Recovery:
        """Watch how long these roles, and a worker, take from now on."""
        recovery = Recovery(roles, time.monotonic(), is_back)
        self._open.append(recovery)
        return recovery

    def _run(self) -> None:
        while not self._stop.is_set():
            admin = None
            # Kafka may be away: that is one of the faults.
            with suppress(Exception):
                admin = KafkaAdminClient(
                    bootstrap_servers=self._world.kafka.bootstrap_servers,
                    bootstrap_timeout_ms=5_000,
                    request_timeout_ms=10_000,
                )
                while not self._stop.wait(EVERY_S):
                    self._ask(admin)
            if admin is not None:
                with suppress(Exception):
                    admin.close()
            self._stop.wait(EVERY_S)

    def _ask(self, admin: Any) -> None:
        asked_s = time.monotonic()
        topics = sorted({topic for names in self._read.values() for topic in names})
        described = admin.describe_topics(topics)
        partitions = [
            TopicPartition(topic["name"], number)
            for topic in described
            for number in range(len(topic["partitions"]))
        ]
        offsets = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        ends = {one: offsets[one].offset for one in partitions}
        found = admin.list_group_offsets(dict.fromkeys(self._groups.values()))
        committed = {
            role: {one: position.offset for one, position in found.get(group, {}).items()}
            for role, group in self._groups.items()
        }
        self.lag = {
            role: sum(
                max(0, end - max(0, committed[role].get(one, 0)))
                for one, end in ends.items()
                if one.topic in self._read[role]
            )
            for role in self._groups
        }
        for recovery in list(self._open):
            recovery.look(asked_s, ends, committed, self._read)
            if recovery.recovered_s is not None:
                self._open.remove(recovery)
