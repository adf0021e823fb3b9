"""A real Apache Kafka for development and tests."""

from __future__ import annotations

import base64
import re
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from deploy.embedded.java import find_java
from deploy.embedded.kafka_config import LOG_FOLDER, render_properties
from deploy.embedded.kafka_jars import kafka_jars
from deploy.embedded.ports import free_port
from deploy.embedded.server import EmbeddedServer
from streams.errors import DependencyDownError

_CONFIG_FILE = "server.properties"
_TEMPORARY_FOLDER = "tmp"
_PROBE_TIMEOUT_S = 5.0


def new_cluster_id() -> str:
    """A cluster id as Kafka's own tools make them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


class EmbeddedKafka(EmbeddedServer):
    """Apache Kafka 4.1 as one KRaft node on loopback, open to all unless ``extra_config`` adds it."""

    name = "Kafka"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        heap_bytes: int = 256 << 20,
        cluster_id: str | None = None,
        controller_port: int | None = None,
        extra_config: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """As :class:`EmbeddedServer`.

        Args:
            data_dir: Where topics and their messages are.
            port: The port on 127.0.0.1; a free one if None.
            heap_bytes: The largest size of Java's heap.
            cluster_id: Of the cluster that it is a node of; its own, made up, if None.
            controller_port: Of the listener that nodes need for each other; a free one if None.
            extra_config: Further lines of server.properties, see :func:`kafka_config.render_properties`.
            options: As of :class:`EmbeddedServer`.
        """
        super().__init__(data_dir, port, **options)
        self._heap_bytes = heap_bytes
        self._wanted_cluster_id = cluster_id
        self._controller_port = controller_port
        self._extra_config = dict(extra_config or {})

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:PORT``."""
        return self.address

    def _command(self) -> list[str]:
        java = self._java_command()
        controller_port = self._controller_port or free_port(other_than=self.port)
        properties = render_properties(self.port, controller_port, self._extra_config)
        (self.data_dir / _CONFIG_FILE).write_text(properties, encoding="ascii")
        (self.data_dir / _TEMPORARY_FOLDER).mkdir(exist_ok=True)
        if not self._meta_properties.exists():
            self._format_storage(java)
        return [*java, "kafka.Kafka", _CONFIG_FILE]

    def _java_command(self) -> list[str]:
        return [
            str(find_java()),
            f"-Xmx{self._heap_bytes}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            # Without this each thread would keep a direct buffer as large as its largest message.
            "-Djdk.nio.maxCachedBufferSize=262144",
            "-Djava.awt.headless=true",
            # Compression libraries are unpacked here, and stay behind when the process is killed.
            f"-Djava.io.tmpdir={self.data_dir / _TEMPORARY_FOLDER}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
            "-cp",
            f"{kafka_jars(self._on_progress)}/*",
        ]

    def _format_storage(self, java: list[str]) -> None:
        self._on_progress("preparing Kafka's data folder (first time only)")
        cluster_id = self._wanted_cluster_id or new_cluster_id()
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        # `=`: an id may begin with a dash.
        arguments = ["format", "--ignore-formatted", f"--cluster-id={cluster_id}", f"--config={_CONFIG_FILE}"]
        process = self._run_in_data_dir([*java, "kafka.tools.StorageTool", *arguments])
        try:
            status = process.wait(self._start_timeout_s)
        except BaseException as error:
            process.kill()
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            status = None
        if status != 0:
            raise DependencyDownError(
                f"Kafka's data folder {self.data_dir} could not be prepared; " + self._end_of_log(log_start)
            )

    def _cluster_id(self) -> str:
        found = re.search(
            r"^cluster\.id=(.*)$", self._meta_properties.read_text(encoding="ascii"), re.MULTILINE
        )
        return found[1] if found else ""

    @property
    def _meta_properties(self) -> Path:
        """What Kafka's own formatting leaves last."""
        return self.data_dir / LOG_FOLDER / "meta.properties"

    def _answers(self) -> bool:
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap_servers,
                bootstrap_timeout_ms=int(_PROBE_TIMEOUT_S * 1_000),
                request_timeout_ms=int(_PROBE_TIMEOUT_S * 1_000),
            )
        except (KafkaError, OSError):
            return False
        try:
            cluster = admin.describe_cluster()
            # The broker is "fenced" until the controller lets it serve clients.
            ready = any(not broker["is_fenced"] for broker in cluster["brokers"])
            return ready and cluster["cluster_id"] == self._cluster_id()
        except (KafkaError, OSError):
            return False
        finally:
            admin.close()
