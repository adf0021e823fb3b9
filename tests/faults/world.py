"""Everything that faults are injected into: Kafka, Redis, and workers, each behind proxies of its own.

Kafka tells its clients where it is, so each slot has a listener whose advertised port is the slot's proxy.
What the tests themselves publish and read goes past the proxies.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis as redis_client

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from deploy.embedded.ports import free_port
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from tests.faults.next_release import make_next_release
from tests.faults.proxy import ProxyLoop
from tests.faults.slot import REPOSITORY, Slot, proxies_for
from tests.faults.small_disk import SmallDisk
from workers.encoders_in_use import encoder_registry, fusion_in_use

# Below the ten seconds that are the default: a dead worker is missed sooner.
SESSION_TIMEOUT_S = 6.0
# Far more often than in production, so that many a start is from one.
SNAPSHOTS_S = 20.0
PREFIX = "faults."
# On a busy machine, over the data of a long run.
START_TIMEOUT_S = 300.0
TOPICS_TIMEOUT_S = 120.0
MEDIA = REPOSITORY / "deploy" / "demo" / "catalogue" / "media"


class World:
    """A context manager: nothing is left running.

    Args:
        folder: Of Kafka's and Redis's data and of the logs. What an earlier world left there goes on.
        roles: A slot each; one that is named twice has two.
        spare: Slots that are not started: for workers that join.
        settings: Sections over those of the suite.
        kafka_config: Further lines of Kafka's configuration.
        small_disk: Redis's data are on a disk that can be full, where that can be mounted.
        small_kafka_disk: So are Kafka's, which then do not outlive the world.
    """

    def __init__(
        self,
        folder: Path,
        roles: Iterable[str],
        *,
        spare: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
        kafka_config: Mapping[str, str] | None = None,
        small_disk: bool = False,
        small_kafka_disk: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.folder = folder
        self.say = say
        self._roles = list(roles)
        self._spare = list(spare)
        self._kafka_config = dict(kafka_config or {})
        self._taken: set[int] = set()
        self._flags: dict[str, Any] = {
            "kafka": {
                "session_timeout_s": SESSION_TIMEOUT_S,
                "heartbeat_interval_s": SESSION_TIMEOUT_S / 3,
            },
            "topics": {"prefix": PREFIX, "user_partitions": 4, "item_partitions": 4},
            "media": {"file_roots": [str(MEDIA)]},
            "recommend": {"snapshot_folder": str(folder / "snapshots"), "snapshot_interval_s": SNAPSHOTS_S},
            **(settings or {}),
        }
        self.slots: list[Slot] = []
        self.spare: list[Slot] = []
        self.proxies = ProxyLoop()
        self.redis_disk: SmallDisk | None = None
        self.kafka_disk: SmallDisk | None = None
        self._wants_disk = small_disk
        self._wants_kafka_disk = small_kafka_disk

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in (*self.slots, *self.spare):
            slot.stop()
        for server in (getattr(self, "redis", None), getattr(self, "kafka", None)):
            if server is not None:
                server.stop()
        self._keep_redis()
        if self.kafka_disk is not None:
            self.kafka_disk.unmount()
            self.kafka_disk = None
        if self.proxies.loop.is_running():
            for slot in (*self.slots, *self.spare):
                slot.kafka.stop()
                slot.redis.stop()
            self.proxies.__exit__()

    def _start(self) -> None:
        self.proxies.__enter__()
        wanted = [*self._roles, *self._spare]
        listeners = {number: (self._port(), self._port()) for number in range(len(wanted))}
        self.say("starting Kafka and Redis")
        if self._wants_kafka_disk:
            self.kafka_disk = self._small_disk(self.folder / "kafka")
        self.kafka = EmbeddedKafka(
            self.folder / "kafka",
            self._port(),
            controller_port=self._port(),
            start_timeout_s=START_TIMEOUT_S,
            extra_config={
                "listeners": ",".join(f"S{n}://127.0.0.1:{own}" for n, (own, _) in listeners.items()),
                "advertised.listeners": ",".join(
                    f"S{n}://127.0.0.1:{proxy}" for n, (_, proxy) in listeners.items()
                ),
                "listener.security.protocol.map": ",".join(f"S{n}:PLAINTEXT" for n in listeners),
                "num.network.threads": "1",
                **self._kafka_config,
            },
        ).start()
        self.redis = self._redis_in(self._find_redis(), self._port()).start()
        self._flags = {
            **self._flags,
            "kafka": {**self._flags["kafka"], "bootstrap_servers": self.kafka.bootstrap_servers},
            "redis": {"url": self.redis.url},
        }
        self.settings: Settings = load_settings(**self._flags)
        self.names = TopicNames(PREFIX)
        self.space = fusion_in_use(self.settings, encoder_registry(self.settings)).space
        # The workers keep the time-outs of their settings; a Kafka that has just started may take longer.
        patient = {**self._flags["kafka"], "request_timeout_s": TOPICS_TIMEOUT_S}
        create_topics(load_settings(**{**self._flags, "kafka": patient}), [self.space])
        counts: dict[str, int] = {}
        for number, role in enumerate(wanted):
            counts[role] = counts.get(role, 0) + 1
            name = role if counts[role] == 1 else f"{role}-{counts[role]}"
            own, proxy = listeners[number]
            kafka, redis = proxies_for(self.proxies, proxy, own, self._port(), self.redis.port)
            slot = Slot(name, role, kafka, redis, self._flags, self.folder / "slots" / name, self.say)
            (self.slots if number < len(self._roles) else self.spare).append(slot)
        for slot in self.slots:
            slot.start()
        for slot in self.slots:
            slot.await_ready()
            self.say(f"{slot.name} is ready")

    def poll(self) -> None:
        """Start again what has ended."""
        for slot in (*self.slots, *self.spare):
            slot.poll()

    def slots_of(self, role: str) -> list[Slot]:
        """Those of a role."""
        return [slot for slot in self.slots if slot.role == role]

    @cached_property
    def next_release(self) -> Path:
        """Where the code of a release after this one is."""
        folder = self.folder / "next-release"
        # An earlier run may have been stopped in the middle of it.
        shutil.rmtree(folder, ignore_errors=True)
        make_next_release(REPOSITORY, folder)
        return folder

    def redis_client(self) -> redis_client.Redis:
        """Straight to Redis."""
        return redis_client.Redis.from_url(self.redis.url, socket_timeout=60.0)

    def replace_redis(self, data: Path | None) -> None:
        """Another Redis at the same port: with the data of a folder, or empty."""
        before, port = self.redis.data_dir, self.redis.port
        self.redis.kill()
        folder = self._redis_root / f"life-{_life_of(before) + 1}"
        if data is not None:
            shutil.copytree(data, folder)
        self.redis = self._redis_in(folder, port).start()
        shutil.rmtree(before)

    @staticmethod
    def _redis_in(folder: Path, port: int) -> EmbeddedRedis:
        return EmbeddedRedis(folder, port, start_timeout_s=START_TIMEOUT_S)

    @property
    def _redis_root(self) -> Path:
        return self.folder / "redis"

    @property
    def _kept_redis(self) -> Path:
        return self.folder / "redis-kept"

    def _find_redis(self) -> Path:
        """Where Redis's data are, on a disk that can be full where that is possible."""
        if self._wants_disk:
            self.redis_disk = self._small_disk(self._redis_root)
        if self.redis_disk is not None and self._kept_redis.exists():
            if not any(self._redis_root.iterdir()):
                shutil.copytree(self._kept_redis, self._redis_root, dirs_exist_ok=True)
            shutil.rmtree(self._kept_redis)
        return max(self._redis_root.glob("life-*"), key=_life_of, default=self._redis_root / "life-0")

    def _small_disk(self, path: Path) -> SmallDisk | None:
        try:
            return SmallDisk(path)
        except OSError as error:
            self.say(f"no full disks here: {error}")
            return None

    def _keep_redis(self) -> None:
        if self.redis_disk is not None:
            shutil.copytree(self._redis_root, self._kept_redis, dirs_exist_ok=True)
            self.redis_disk.unmount()
            self.redis_disk = None

    def _port(self) -> int:
        while (port := free_port()) in self._taken:
            pass
        self._taken.add(port)
        return port


def _life_of(folder: Path) -> int:
    return int(folder.name.removeprefix("life-"))
