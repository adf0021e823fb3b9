"""The least that each role must be allowed in Kafka, by what the topics say of readers and writers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from streams.topic_names import TopicNames
from streams.topics import (
    DEAD_LETTERS,
    EVENTS,
    EXPLANATIONS,
    ITEM_FEATURES,
    ITEM_VECTORS,
    ITEMS,
    MODELS,
    PROFILES,
    RECOMMENDATION_REQUESTS,
    RECOMMENDATIONS,
    TOPICS,
    Topic,
)

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create", "Alter", "Delete", "All"]
ENCODERS = ("text", "image", "audio", "video")
# Who comes in besides the roles: whoever publishes items, events and requests, and reads lists; the web page;
# and whoever runs the other commands.
CLIENT = "client"
CONSOLE = "console"
OPERATOR = "operator"
OTHERS = (CLIENT, CONSOLE, OPERATOR)


@dataclass(frozen=True, slots=True)
class Grant:
    """Operations on one topic or group by its full name, or on all whose names begin so."""

    kind: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def kafka_grants(role: str, names: TopicNames, space: str) -> list[Grant]:
    """What a role, or one of `OTHERS`, needs.

    Reading and writing include describing. Idempotent publishing needs nothing beyond writing (Kafka 3.0).

    Args:
        role: A name of `workers.roles`, or one of `OTHERS`.
        names: Full names.
        space: The vector space of the settings: it is part of some groups' names. Topics and groups of
            other spaces come with new models, so there it is the names' beginning that counts.
    """
    match role:
        case "client":
            return _client_grants(names)
        case "console":
            return _console_grants(names)
        case "operator":
            return _operator_grants(names)
    grants = []
    for topic in TOPICS:
        operations: list[Operation] = []
        if role in topic.read_by or topic in _ALSO_READ.get(role, ()):
            operations.append("Read")
        if role in topic.written_by or topic is DEAD_LETTERS:
            operations.append("Write")
        if role == "profile" and topic.is_personal:
            # For receipts, which say by when topics let go of people.
            operations += ["DescribeConfigs"] if operations else ["Describe", "DescribeConfigs"]
        if operations:
            grants.append(_topic_grant(topic, names, tuple(operations)))
    if role == "fuse":
        grants.append(Grant("group", f"{names.prefix}fuse.", ("Read",), prefixed=True))
    else:
        group = f"{names.prefix}{role}" + (f".{space}" if role in ENCODERS else "")
        grants.append(Grant("group", group, ("Read",)))
    return grants


def _client_grants(names: TopicNames) -> list[Grant]:
    """What topics say of you, but for which model serves: that is the operator's."""
    grants = []
    for topic in TOPICS:
        operations: list[Operation] = []
        if "you" in topic.read_by:
            operations.append("Read")
        if "you" in topic.written_by:
            operations.append("Write")
        if operations and topic is not MODELS:
            grants.append(_topic_grant(topic, names, tuple(operations)))
    return grants


def _console_grants(names: TopicNames) -> list[Grant]:
    """It shows what it reads, publishes what is tried, replays dead letters, and shows who lags."""
    return [
        *(_topic_grant(topic, names, ("Read", "Write")) for topic in _TRIED),
        *(_topic_grant(topic, names, ("Read",)) for topic in _SHOWN),
        _every("topic", names, ("Describe", "DescribeConfigs")),
        _every("group", names, ("Describe",)),
    ]


def _operator_grants(names: TopicNames) -> list[Grant]:
    """Creates topics, exports and forgets people, changes models, replays what you publish, looks at all."""
    return [
        *(_topic_grant(topic, names, ("Write",)) for topic in TOPICS if "you" in topic.written_by),
        _every("topic", names, ("Read", "Create", "DescribeConfigs")),
        _every("group", names, ("Describe",)),
    ]


_TRIED: tuple[Topic[Any], ...] = (ITEMS, EVENTS, RECOMMENDATION_REQUESTS)
_SHOWN: tuple[Topic[Any], ...] = (
    *(RECOMMENDATIONS, EXPLANATIONS, PROFILES, DEAD_LETTERS, MODELS),
    *(ITEM_FEATURES, ITEM_VECTORS),
)
# Besides what topics say of their readers: a profile worker that finds Redis empty reads profiles back.
_ALSO_READ: dict[str, tuple[Topic[Any], ...]] = {
    "profile": (PROFILES,),
}


def kafka_acl_commands(role: str, principal: str, names: TopicNames, space: str) -> Iterator[str]:
    """`kafka-acls.sh` with the role's grants; the shell is to know `BOOTSTRAP_SERVERS`.

    Args:
        principal: Such as `User:freshet-profile`.
    """
    for grant in kafka_grants(role, names, space):
        operations = " ".join(f"--operation {one}" for one in grant.operations)
        yield (
            "kafka-acls.sh --bootstrap-server $BOOTSTRAP_SERVERS --add --allow-principal "
            f"{shlex.quote(principal)} {operations} --{grant.kind} {shlex.quote(grant.name)}"
            + (" --resource-pattern-type prefixed" if grant.prefixed else "")
        )


def _every(kind: Literal["topic", "group"], names: TopicNames, operations: tuple[Operation, ...]) -> Grant:
    """Of all that is named with the prefix; of all that there is, where there is no prefix."""
    return Grant(kind, names.prefix or "*", operations, prefixed=bool(names.prefix))


def _topic_grant(topic: Topic[Any], names: TopicNames, operations: tuple[Operation, ...]) -> Grant:
    if topic is ITEM_VECTORS:
        return Grant("topic", f"{names.prefix}{topic.name}.", operations, prefixed=True)
    return Grant("topic", names.of(topic), operations)
