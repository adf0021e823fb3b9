"""All of Freshet on this machine: Kafka, Redis, the topics and a worker of every role."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from workers.workers_file import FILE_NAME, RunningWorker, write_workers_file

if TYPE_CHECKING:
    from deploy.embedded import EmbeddedKafka, EmbeddedRedis

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104
CONSOLE = "console"


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
        console: Serve the web page as well, from a process of its own.
        extra_kafka_config: Further lines of the embedded Kafka's server.properties.
        logs_to_files: Workers' logs go to files; False leaves them on standard error.
        say: Told what happens, in lines for a person.
        settings: All settings, the addresses of what was started included; known once entered.
        console_address: What a person opens, with the token where one is needed.
    """

    flags: Flags
    data_folder: Path
    config: Path | None = None
    embed_kafka: bool = True
    embed_redis: bool = True
    kafka_port: int | None = None
    redis_port: int | None = None
    workers: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 1))
    console: bool = False
    extra_kafka_config: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = START_TIMEOUT_S
    logs_to_files: bool = True
    say: Callable[[str], None] = _say_nothing
    settings: Settings = field(init=False)
    supervisor: Supervisor = field(init=False)
    kafka: EmbeddedKafka | None = field(init=False, default=None)
    redis: EmbeddedRedis | None = field(init=False, default=None)
    console_address: str | None = field(init=False, default=None)
    _console_supervisor: Supervisor | None = field(init=False, default=None)
    _worker_flags: Flags = field(init=False, default_factory=dict)
    _endpoints: list[RunningWorker] = field(init=False, default_factory=list)

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
        if self._console_supervisor is not None:
            self._console_supervisor.poll()
        self._note_workers()

    @property
    def workers_file(self) -> Path:
        """Says which workers run; it is there as long as they do."""
        return self.data_folder / FILE_NAME

    def memory(self) -> dict[str, int]:
        """Bytes in use (PSS) by each process."""
        servers = (self.kafka, self.redis)
        others = {one.name: one.pid for one in servers if one is not None and one.is_running}
        if self._console_supervisor is not None:
            others |= zip((CONSOLE,), self._console_supervisor.pids(), strict=False)
        return self.supervisor.memory(others)

    def stop(self) -> None:
        """Stop workers, then Redis and Kafka: what workers still write arrives."""
        with suppress(OSError):
            self.workers_file.unlink(missing_ok=True)
        for supervisor in (self._console_supervisor, getattr(self, "supervisor", None)):
            for name in supervisor.stop() if supervisor is not None else ():
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
        if self.settings.recommend.snapshot_folder is None:
            flags = merged(flags, flag("recommend.snapshot_folder", str(self.data_folder / "snapshots")))
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
        self._note_workers()
        self._worker_flags = flags
        if self.console:
            self.start_console()

    def start_console(self) -> None:
        """Serve the web page; what runs is told by `console_address`.

        Raises:
            ConfigurationError, DependencyDownError, DefectError: It does not start: says why.
        """
        from deploy.embedded.ports import free_port, is_free
        from workers.console.serve import address, token_for

        console = self.settings.console
        port = console.port if console.port and is_free(console.port) else free_port()
        token = token_for(console)
        own: Flags = {"port": port, "workers_file": str(self.workers_file)}
        if token is not None:
            own["token"] = token
        self._console_supervisor = Supervisor(
            flags=merged(self._worker_flags, {"console": own}),
            config=self.config,
            log_folder=self.log_folder if self.logs_to_files else None,
            say=self.say,
            command_for=lambda role: [sys.executable, "-m", "workers.cli", role],
            health_host="127.0.0.1" if console.host in EVERY_ADDRESS else console.host,
        )
        self._console_supervisor.start(CONSOLE)
        self._console_supervisor.wait_ready(self.start_timeout_s)
        self.console_address = address(console, port, token)
        self.say(f"the console is at {self.console_address}")

    def stop_console(self) -> None:
        """Stop the web page, and nothing else."""
        if self._console_supervisor is not None:
            self._console_supervisor.stop()
            self._console_supervisor = self.console_address = None

    def _note_workers(self) -> None:
        """Keep the file of workers current: one that was started again has another port."""
        endpoints = self.supervisor.endpoints()
        if endpoints != self._endpoints:
            self._endpoints = endpoints
            settings = self.settings
            try:
                self.data_folder.mkdir(parents=True, exist_ok=True)
                write_workers_file(
                    self.workers_file, settings.kafka.bootstrap_servers, settings.topics.prefix, endpoints
                )
            except OSError as error:
                self.say(f"{self.workers_file} cannot be written ({error.strerror}): a console shows less")

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
