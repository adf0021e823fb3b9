"""Kafka: answers, has the topics as they must be, groups keep up, keys lie where they should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from streams.cluster import Cluster, GroupFacts
from streams.errors import FreshetError
from streams.settings import Settings
from streams.topic_admin import TopicState, findings, list_topics
from streams.topics import EVENTS, ITEMS, RECOMMENDATION_REQUESTS
from workers.doctor.check import Check
from workers.role_groups import role_groups
from workers.serving_space import spaces_in_groups

AREA = "kafka"
TOPICS_AREA = "topics"
GROUPS_AREA = "roles"
KEYS_AREA = "keys"

# Below it Kafka tells no topic ids, without which a topic that was deleted and made again cannot be told.
OLDEST_VERSION = (2, 8)
SAMPLED_KEYS = 1_000
MUCH_LAG = 10_000
_ASSIGNING_STATES = ("PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling")


def check_kafka(settings: Settings, space: str | None) -> Iterator[Check]:
    """Ask Kafka for all of it.

    Args:
        space: The vector space of the settings, None where the encoders do not say.
    """
    try:
        with Cluster(settings.kafka) as cluster:
            yield from _check_broker(cluster)
            spaces = [] if space is None else spaces_in_groups(settings, space)
            states = list_topics(settings, spaces)
            yield from judge_topics(states, settings)
            yield from _check_groups(cluster, settings, states, spaces)
            yield from _check_keys(cluster, states)
    except FreshetError as error:
        yield Check(AREA, "fail", str(error), "start Kafka, correct `kafka.…`, or use `freshet up`")


def judge_topics(states: list[TopicState], settings: Settings) -> Iterator[Check]:
    """What is wrong with the topics."""
    found = findings(states, settings.topics)
    for finding in found:
        status = "fail" if finding.severity == "error" else "warn"
        yield Check(TOPICS_AREA, status, f"{finding.topic}: {finding.problem}", finding.advice)  # type: ignore[arg-type]
    if not found:
        partitions = sum(state.partitions for state in states)
        yield Check(TOPICS_AREA, "ok", f"{len(states)} topics with {partitions} partitions")


def judge_group(role: str, group: GroupFacts | None, lag: int) -> Check:
    """Whether a role has workers that keep up."""
    if group is None or group.members == 0:
        waiting = f", {lag} records wait" if lag else ""
        return Check(GROUPS_AREA, "warn", f"{role}: no worker runs{waiting}", f"run `freshet worker {role}`")
    told = f"{role}: {group.members} workers, {lag} records wait"
    if group.state in _ASSIGNING_STATES:
        return Check(GROUPS_AREA, "ok", f"{told}; partitions are just being assigned")
    if lag > MUCH_LAG:
        return Check(
            GROUPS_AREA,
            "warn",
            told,
            f"start more workers: `freshet worker {role}` on this machine or others",
        )
    return Check(GROUPS_AREA, "ok", told)


def _check_broker(cluster: Cluster) -> Iterator[Check]:
    facts = cluster.facts()
    version = ".".join(map(str, facts.version))
    if facts.version < OLDEST_VERSION:
        yield Check(AREA, "fail", f"Kafka is {version}, which has no topic ids", "use Kafka 2.8 or later")
    else:
        yield Check(AREA, "ok", f"Kafka {version} answers: {facts.brokers} brokers, id {facts.cluster_id}")


def _check_groups(
    cluster: Cluster, settings: Settings, states: Iterable[TopicState], spaces: Sequence[str]
) -> Iterator[Check]:
    for one in role_groups(cluster, settings, states, spaces):
        yield judge_group(one.role, one.facts, one.lag)


def _check_keys(cluster: Cluster, states: Iterable[TopicState]) -> Iterator[Check]:
    sampled = 0
    for state in states:
        if state.topic not in (ITEMS, EVENTS, RECOMMENDATION_REQUESTS) or not state.partitions:
            continue
        placement = cluster.placement(state.name, state.partitions, SAMPLED_KEYS)
        sampled += placement.sampled
        if placement.misplaced:
            yield Check(
                KEYS_AREA,
                "warn",
                f"{state.name}: {placement.misplaced} of the newest {placement.sampled} keys lie in another "
                f"partition than murmur2 puts them, for example {placement.example!r}",
                "nothing is lost, but a person's messages do not meet in one process: let producers "
                "partition by murmur2 (librdkafka: partitioner=murmur2_random)",
            )
            return
    yield Check(KEYS_AREA, "ok", f"{sampled} keys lie where murmur2 puts them")
