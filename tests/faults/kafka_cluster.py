"""Three Kafka nodes on loopback, each broker and controller, that keep a copy of everything each."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka.admin import KafkaAdminClient

from deploy.embedded import EmbeddedKafka
from deploy.embedded.kafka import new_cluster_id
from deploy.embedded.ports import LOOPBACK, free_port

NODES = 3
START_TIMEOUT_S = 300.0


class KafkaCluster:
    """A context manager: nothing is left running. What is written needs two of the three copies."""

    def __init__(self, folder: Path) -> None:
        cluster_id = new_cluster_id()
        ports: list[int] = []
        while len(ports) < 2 * NODES:
            port = free_port()
            if port not in ports:
                ports.append(port)
        clients, controllers = ports[:NODES], ports[NODES:]
        copies = {"default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic"}
        self.nodes = [
            EmbeddedKafka(
                folder / f"node-{number + 1}",
                clients[number],
                start_timeout_s=START_TIMEOUT_S,
                cluster_id=cluster_id,
                controller_port=controllers[number],
                extra_config={
                    "node.id": str(number + 1),
                    "controller.quorum.voters": ",".join(
                        f"{at + 1}@{LOOPBACK}:{port}" for at, port in enumerate(controllers)
                    ),
                    "min.insync.replicas": str(NODES - 1),
                    "transaction.state.log.min.isr": str(NODES - 1),
                    **{f"{name}.replication.factor": str(NODES) for name in copies},
                },
            )
            for number in range(NODES)
        ]
        # The kernel ends a server together with the thread that started it.
        self._threads = [ThreadPoolExecutor(1) for _ in range(NODES)]

    @property
    def bootstrap_servers(self) -> str:
        """All nodes."""
        return ",".join(node.address for node in self.nodes)

    def __enter__(self) -> Self:
        """Start all at once: alone none is a majority."""
        starting = [thread.submit(node.start) for thread, node in zip(self._threads, self.nodes, strict=True)]
        try:
            for one in starting:
                one.result()
            self._await_all()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_all(self) -> None:
        """A node answers while its controller may not know yet that it is there."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while len(admin.describe_cluster()["brokers"]) < NODES:
                if time.monotonic() > deadline_s:
                    raise AssertionError(f"not all {NODES} nodes are known after {START_TIMEOUT_S} s")
                time.sleep(0.1)
        finally:
            admin.close()

    def kill(self, number: int) -> None:
        """A node dies, and stays away."""
        self.nodes[number].kill()

    def start(self, number: int) -> None:
        """It is back, with its data."""
        self._threads[number].submit(self.nodes[number].start).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.kill()
        for thread in self._threads:
            thread.shutdown()
