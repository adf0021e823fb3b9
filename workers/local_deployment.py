"""All of Freshet on this machine: Kafka, Redis, the topics and a worker of every role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.flags import Flags, flag, merged
from workers.redis_check import check_redis
from workers.roles import ROLES
from workers.supervisor import START_TIMEOUT_S, Supervisor

if TYPE_CHECKING:
    from deploy.embedded import EmbeddedKafka, EmbeddedRedis

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104


def _say_nothing(line: str) -> None:
    return


@dataclass(kw_only=True)
class LocalDeployment:
    """A context manager: entering it starts everything and waits until it is ready, leaving it stops it.

    Call `poll` now and then, from the thread that entered: the kernel ends every process with that thread.

    Attributes:
        flags: Settings, section by section, over the settings file and variables.
        config: The settings file, where it is not freshet.toml in the working folder.
        data_folder: Holds `kafka`, `redis` and `logs`. Reused by a second start.
        embed_kafka: Start a Kafka; False uses the one of the settings.
        embed_redis: Likewise.
        kafka_port: Of the embedded Kafka; a free one if None.
        redis_port: Likewise.
        workers: How many of each role.
        extra_kafka_config: Further lines of the embedded Kafka's server.properties.
        logs_to_files: Workers' logs go to files; False leaves them on standard error.
        say: Told what happens, in lines for a person.
        settings: All settings, the addresses of what was started included; known once entered.
    """

    flags: Flags
    data_folder: Path
    config: Path | None = None
    embed_kafka: bool = True
    embed_redis: bool = True
    kafka_port: int | None = None
    redis_port: int | None = None
    workers: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 1))
    extra_kafka_config: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = START_TIMEOUT_S
    logs_to_files: bool = True
    say: Callable[[str], None] = _say_nothing
    settings: Settings = field(init=False)
    supervisor: Supervisor = field(init=False)
    kafka: EmbeddedKafka | None = field(init=False, default=None)
    redis: EmbeddedRedis | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        """Start it all.

        Raises:
            ConfigurationError, DependencyDownError, DefectError, ManifestError: Says what to do.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log_folder(self) -> Path:
        """Where the workers' logs are."""
        return self.data_folder / "logs"

    @property
    def health_host(self) -> str:
        """Where the workers' health endpoints are asked from this machine."""
        host = self.settings.worker.metrics_host
        return "127.0.0.1" if host in EVERY_ADDRESS else host

    def poll(self) -> None:
        """Start again what has ended.

        Raises:
            ConfigurationError, DependencyDownError: Kafka or Redis has ended, and cannot be started again.
        """
        for server in (self.kafka, self.redis):
            if server is not None and not server.is_running:
                self.say(f"{server.name} ended and is started again (log: {server.log_path})")
                server.start()
        self.supervisor.poll()

    def memory(self) -> dict[str, int]:
        """Bytes in use (PSS) by each process."""
        servers = (self.kafka, self.redis)
        return self.supervisor.memory(
            {one.name: one.pid for one in servers if one is not None and one.is_running}
        )

    def stop(self) -> None:
        """Stop workers, then Redis and Kafka: what workers still write arrives."""
        if hasattr(self, "supervisor"):
            for name in self.supervisor.stop():
                self.say(f"{name} did not end in time and was killed")
        for server in (self.redis, self.kafka):
            if server is not None:
                server.stop()

    def _start(self) -> None:
        # Before anything is started: mistakes in settings and encoders show at once.
        self.settings = load_settings(self.config, **self.flags)
        registry = encoder_registry(self.settings)
        space = fusion_in_use(self.settings, registry).space
        flags = self.flags
        if self.embed_redis:
            flags = merged(flags, flag("redis.url", self._start_redis()))
        if self.embed_kafka:
            flags = merged(flags, flag("kafka.bootstrap_servers", self._start_kafka()))
        self.settings = load_settings(self.config, **flags)
        check_redis(self.settings.redis)
        self.say("creating the topics")
        create_topics(self.settings, [space])
        self.supervisor = Supervisor(
            flags=flags,
            config=self.config,
            log_folder=self.log_folder if self.logs_to_files else None,
            say=self.say,
            metrics_port=self.settings.worker.metrics_port,
            health_host=self.health_host,
        )
        total = sum(self.workers.values())
        self.say(f"starting {total} workers")
        for role, count in self.workers.items():
            self.supervisor.start(role, count)
        self.supervisor.wait_ready(self.start_timeout_s, lambda name: self.say(f"worker {name} is ready"))

    def _start_redis(self) -> str:
        from deploy.embedded import EmbeddedRedis

        self.redis = EmbeddedRedis(self.data_folder / "redis", self.redis_port, on_progress=self.say)
        return self.redis.start().url

    def _start_kafka(self) -> str:
        from deploy.embedded import EmbeddedKafka

        self.kafka = EmbeddedKafka(
            self.data_folder / "kafka",
            self.kafka_port,
            extra_config=self.extra_kafka_config,
            on_progress=self.say,
        )
        return self.kafka.start().bootstrap_servers
