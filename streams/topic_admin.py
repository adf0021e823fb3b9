"""Create the topics that are missing, and find what is wrong with those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from kafka import KafkaAdminClient, errors  # type: ignore[import-untyped]
from kafka.admin import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]

from streams import topics
from streams.errors import ConfigurationError
from streams.kafka_connection import kafka_python_arguments
from streams.kafka_errors import kafka_errors_explained
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.topic_names import TopicNames
from streams.topics import TOPICS, Topic

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_COMPACTED_SEGMENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as Kafka has it; ``partitions`` 0 where it does not exist."""

    name: str
    topic: Topic[Any]
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a topic that a person should mend.

    ``severity`` is ``error`` where results can be wrong or missing, ``warning`` where only cost or time
    differ.
    """

    topic: str
    severity: Literal["error", "warning"]
    problem: str
    advice: str


def partition_count(topic: Topic[Any], settings: TopicSettings) -> int:
    """How many partitions a topic is created with."""
    counts = {"user": settings.user_partitions, "item": settings.item_partitions, "single": 1}
    return counts[topic.partitions]


def topic_config(topic: Topic[Any], settings: TopicSettings) -> dict[str, str]:
    """Kafka's settings of a topic.

    A compacted topic must forget withdrawn items and erased people from the disk as well. Kafka compacts
    closed segments only, so `max.compaction.lag.ms` closes and compacts them in a day at most, and small
    segments much sooner where many records come: a worker that starts reads all that is not compacted.
    Time-retained topics lose whole segments: one of a seventh of the retention keeps nothing much longer than
    said.
    """
    config = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.log_append_time else "CreateTime",
    }
    if topic.cleanup == "compact":
        config["delete.retention.ms"] = str(round(settings.delete_retention_hours * _HOUR_MS))
        config["max.compaction.lag.ms"] = str(_DAY_MS)
        config["segment.bytes"] = str(_COMPACTED_SEGMENT_BYTES)
        if topic.min_compaction_lag_hours:
            config["min.compaction.lag.ms"] = str(round(topic.min_compaction_lag_hours * _HOUR_MS))
    else:
        retention_ms = round(settings.retention_days * topic.retention_factor * _DAY_MS)
        config["retention.ms"] = str(retention_ms)
        config["segment.ms"] = str(max(retention_ms // 7, _HOUR_MS))
    return config


def create_topics(settings: Settings, spaces: Sequence[str] = ()) -> list[str]:
    """Create every topic that is missing, and wait until each has a leader. Others stay as they are.

    Safe to run from several processes at once.

    Args:
        settings: Of the deployment.
        spaces: Ids of the vector spaces that need an `item-vectors` topic.

    Returns:
        Names of the topics that this call created.

    Raises:
        ConfigurationError: Kafka refuses the topics, or us.
        DependencyDownError: Kafka does not answer.
    """
    wanted = _wanted(settings, spaces)
    with _admin(settings.kafka) as admin:
        existing = set(admin.list_topics())
        missing = {
            name: {
                "num_partitions": partition_count(topic, settings.topics),
                "replication_factor": settings.kafka.replication_factor,
                "configs": topic_config(topic, settings.topics),
            }
            for name, topic in wanted.items()
            if name not in existing
        }
        created = []
        if missing:
            answer = admin.create_topics(missing, raise_errors=False)
            for result in answer["topics"]:
                error = errors.for_code(result["error_code"])
                if error is errors.NoError:
                    created.append(result["name"])
                elif error is not errors.TopicAlreadyExistsError:  # another process was first
                    raise error(f"{result['name']}: {result.get('error_message') or error.__name__}")
        admin.wait_for_topics(list(wanted), timeout_ms=round(settings.kafka.request_timeout_s * 1_000))
        return sorted(created)


def require_topic(settings: KafkaSettings, name: str) -> None:
    """Make sure that a topic exists: a producer would wait for it, and then speak of a timeout.

    Raises:
        ConfigurationError: It does not exist, or Kafka does not let us in.
        DependencyDownError: Kafka does not answer.
    """
    with _admin(settings) as admin:
        if any(topic["error_code"] for topic in admin.describe_topics([name])):
            raise errors.UnknownTopicOrPartitionError(f"`{name}`")


def list_topics(settings: Settings, spaces: Sequence[str] = ()) -> list[TopicState]:
    """Every topic of the contract as Kafka has it, those that are missing included.

    Args:
        settings: As `create_topics`.
        spaces: As `create_topics`; spaces that Kafka has topics for are listed anyhow.

    Raises:
        ConfigurationError, DependencyDownError: As `create_topics`.
    """
    names = TopicNames(settings.topics.prefix)
    with _admin(settings.kafka) as admin:
        existing = admin.list_topics()
        wanted = _wanted(settings, spaces)
        for name in sorted(existing):
            topic = names.topic_of(name)
            if topic is topics.ITEM_VECTORS:
                wanted.setdefault(name, topic)
        present = [name for name in wanted if name in set(existing)]
        partitions = _partitions(admin, present)
        configs = _configs(admin, present)
        return [
            TopicState(name, topic, partitions.get(name, 0), configs.get(name, {}))
            for name, topic in wanted.items()
        ]


def personal_topics(settings: Settings) -> list[TopicState]:
    """The topics whose records say whom they are about, as Kafka has them. Looks at no other topic.

    Raises:
        ConfigurationError: One of them is not there, or not to be seen; or Kafka refuses.
        DependencyDownError: Kafka does not answer.
    """
    names = TopicNames(settings.topics.prefix)
    wanted = {names.of(topic): topic for topic in TOPICS if topic.is_personal}
    with _admin(settings.kafka) as admin:
        missing = sorted(wanted.keys() - set(admin.list_topics()))
        if missing:
            raise ConfigurationError(
                f"Kafka does not show {', '.join(missing)}: run `freshet topics create`, and let the profile "
                "role describe them (`freshet acls --role profile`)"
            )
        partitions, configs = _partitions(admin, list(wanted)), _configs(admin, list(wanted))
        return [
            TopicState(name, topic, partitions[name], configs.get(name, {})) for name, topic in wanted.items()
        ]


def check_topics(settings: Settings, spaces: Sequence[str] = ()) -> list[Finding]:
    """What is wrong with the topics of this deployment; empty where nothing is.

    Args:
        settings: As `create_topics`.
        spaces: As `create_topics`.

    Raises:
        ConfigurationError, DependencyDownError: As `create_topics`.
    """
    return findings(list_topics(settings, spaces), settings.topics)


def findings(states: Iterable[TopicState], settings: TopicSettings) -> list[Finding]:
    """As `check_topics`, of states that were read before."""
    states = list(states)
    found = [
        Finding(state.name, "error", "the topic does not exist", "run `freshet topics create`")
        for state in states
        if not state.partitions
    ]
    present = [state for state in states if state.partitions]
    for kind in ("user", "item"):
        found += _partition_findings([state for state in present if state.topic.partitions == kind], settings)
    for state in present:
        found += _config_findings(state, settings)
    return found


def _partition_findings(states: list[TopicState], settings: TopicSettings) -> list[Finding]:
    if not states:
        return []
    kind = states[0].topic.partitions
    wanted = partition_count(states[0].topic, settings)
    most = max(state.partitions for state in states)
    found = [
        Finding(
            state.name,
            "error",
            f"{state.partitions} partitions where another topic keyed by {kind} has {most}",
            f"give every topic keyed by {kind} the same number: "
            f"`kafka-topics.sh --alter --topic {state.name} --partitions {most}`",
        )
        for state in states
        if state.partitions != most
    ]
    if not found and most != wanted:
        found.append(
            Finding(
                states[0].name,
                "warning",
                f"topics keyed by {kind} have {most} partitions, `topics.{kind}_partitions` is {wanted}",
                f"set `topics.{kind}_partitions` to {most}, so that topics created later agree",
            )
        )
    return found


def _config_findings(state: TopicState, settings: TopicSettings) -> list[Finding]:
    found = []
    for name, wanted in topic_config(state.topic, settings).items():
        actual = state.config.get(name)
        if actual is None or actual == wanted:
            continue
        if name == "max.message.bytes" and int(actual) > int(wanted):
            continue
        matters = name in ("cleanup.policy", "max.message.bytes", "message.timestamp.type")
        found.append(
            Finding(
                state.name,
                "error" if matters else "warning",
                f"`{name}` is {actual}, not {wanted}",
                f"`kafka-configs.sh --alter --topic {state.name} --add-config {name}={wanted}`",
            )
        )
    return found


def _wanted(settings: Settings, spaces: Sequence[str]) -> dict[str, Topic[Any]]:
    names = TopicNames(settings.topics.prefix)
    wanted: dict[str, Topic[Any]] = {
        names.of(topic): topic for topic in TOPICS if topic is not topics.ITEM_VECTORS
    }
    return wanted | {names.item_vectors(space): topics.ITEM_VECTORS for space in spaces}


def _partitions(admin: Any, names: list[str]) -> dict[str, int]:
    if not names:
        return {}
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(names)}


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    described = admin.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: str(entry["value"]) for key, entry in described[name].items()} for name in names}


@contextmanager
def _admin(settings: KafkaSettings) -> Iterator[Any]:
    with kafka_errors_explained(settings):
        timeout_ms = round(settings.request_timeout_s * 1_000)
        admin = KafkaAdminClient(**kafka_python_arguments(settings), bootstrap_timeout_ms=timeout_ms)
        try:
            yield admin
        finally:
            admin.close()
