"""The configuration of a single-node Kafka (KRaft: broker and controller in one process)."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.embedded.ports import LOOPBACK

MEBIBYTE = 1 << 20
# The contract's 8 MiB for a message, and headroom for the batch around it.
MAX_MESSAGE_BYTES = 9 * MEBIBYTE
LOG_FOLDER = "log"
_LISTS = frozenset(("listeners", "advertised.listeners", "listener.security.protocol.map"))


def render_properties(port: int, controller_port: int, extra_config: Mapping[str, str] | None = None) -> str:
    """The text of server.properties. Paths are relative to the data folder, in which Kafka runs.

    Args:
        port: Of the listener for clients, named PLAINTEXT.
        controller_port: Of the listener that Kafka needs for itself.
        extra_config: Further properties. `listeners`, `advertised.listeners` and
            `listener.security.protocol.map` add to what is there, so that a TLS or SASL listener needs only
            its own lines; any other replaces the property of the same name.
    """
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": LOG_FOLDER,
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.response.max.bytes": str(MAX_MESSAGE_BYTES),
        # One node holds one copy of everything.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Few partitions of internal topics: each costs start-up time.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # After a crash the node waits until the session of its former self has expired: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # A small heap: bounded queues and buffers in place of defaults meant for gigabytes.
        "num.network.threads": "2",
        "num.io.threads": "4",
        "queued.max.request.bytes": str(100 * MEBIBYTE),  # the least that Kafka allows
        "log.cleaner.dedupe.buffer.size": str(16 * MEBIBYTE),
    }
    for name, value in (extra_config or {}).items():
        properties[name] = f"{properties[name]},{value}" if name in _LISTS else value
    return "".join(f"{name}={_escaped(value)}\n" for name, value in properties.items())


def _escaped(value: str) -> str:
    """As java.util.Properties reads it: backslash escapes, ISO 8859-1."""
    text = value.replace("\\", "\\\\").replace("\n", "\\n")
    return "".join(
        character if character.isascii() else f"\\u{unit:04x}"
        for character in text
        for unit in _utf16_units(character)
    )


def _utf16_units(character: str) -> list[int]:
    encoded = character.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2]) for at in range(0, len(encoded), 2)]
