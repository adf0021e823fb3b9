"""The least that each role must be allowed in Kafka, by what the topics say of readers and writers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, ITEM_VECTORS, PROFILES, TOPICS, Topic

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create", "Alter", "Delete", "All"]
ENCODERS = ("text", "image", "audio", "video")
# Whoever publishes items, events and requests, and reads lists; not a role.
CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Grant:
    """Operations on one topic or group by its full name, or on all whose names begin so."""

    kind: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def kafka_grants(role: str, names: TopicNames, space: str) -> list[Grant]:
    """What a role, or `CLIENT`, needs.

    Reading and writing include describing. Idempotent publishing needs nothing beyond writing (Kafka 3.0).

    Args:
        role: A name of `workers.roles`, or `CLIENT`.
        names: Full names.
        space: The vector space of the settings: it is part of some groups' names. Topics and groups of
            other spaces come with new models, so there it is the names' beginning that counts.
    """
    own = "you" if role == CLIENT else role
    grants = []
    for topic in TOPICS:
        operations: list[Operation] = []
        if own in topic.read_by or topic in _ALSO_READ.get(role, ()):
            operations.append("Read")
        if own in topic.written_by or (topic is DEAD_LETTERS and role != CLIENT):
            operations.append("Write")
        if role == "profile" and topic.is_personal:
            # For receipts, which say by when topics let go of people.
            operations += ["DescribeConfigs"] if operations else ["Describe", "DescribeConfigs"]
        if operations:
            grants.append(_topic_grant(topic, names, tuple(operations)))
    if role != CLIENT:
        if role == "fuse":
            grants.append(Grant("group", f"{names.prefix}fuse.", ("Read",), prefixed=True))
        else:
            group = f"{names.prefix}{role}" + (f".{space}" if role in ENCODERS else "")
            grants.append(Grant("group", group, ("Read",)))
    return grants


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


def _topic_grant(topic: Topic[Any], names: TopicNames, operations: tuple[Operation, ...]) -> Grant:
    if topic is ITEM_VECTORS:
        return Grant("topic", f"{names.prefix}{topic.name}.", operations, prefixed=True)
    return Grant("topic", names.of(topic), operations)
