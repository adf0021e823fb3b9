"""Topics as data, their names, their configuration, and what is found wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams import topics
from streams.errors import ConfigurationError
from streams.keys import partition_of
from streams.settings import TopicSettings
from streams.topic_admin import TopicState, findings, partition_count, topic_config
from streams.topic_names import TopicNames
from streams.topics import TOPICS

SETTINGS = TopicSettings()


def states() -> list[TopicState]:
    names = TopicNames()
    return [
        TopicState(
            names.of(topic, "a" if topic is topics.ITEM_VECTORS else None),
            topic,
            partition_count(topic, SETTINGS),
            topic_config(topic, SETTINGS),
        )
        for topic in TOPICS
    ]


def test_the_contract_s_topics_are_there() -> None:
    assert {topic.name for topic in TOPICS if topic.encoding == "json"} == {
        "items",
        "events",
        "recommendation-requests",
        "recommendations",
        "outcomes",
        "explanations",
        "models",
        "erasures",
        "erasure-receipts",
        "dead-letters",
    }


def test_items_never_expire_and_people_s_events_do() -> None:
    items, events = topic_config(topics.ITEMS, SETTINGS), topic_config(topics.EVENTS, SETTINGS)
    assert items["cleanup.policy"] == "compact"
    assert items["delete.retention.ms"] == "86400000"
    assert "min.compaction.lag.ms" not in items
    # Events are in `profiles`: a join that was down for a while still finds each of them.
    assert topic_config(topics.PROFILES, SETTINGS)["min.compaction.lag.ms"] == "43200000"
    assert "retention.ms" not in items
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", "604800000")
    assert items["message.timestamp.type"] == events["message.timestamp.type"] == "LogAppendTime"
    assert items["max.message.bytes"] == str(8 << 20)


def test_topics_keyed_alike_have_as_many_partitions() -> None:
    settings = TopicSettings(user_partitions=5, item_partitions=3)
    for topic in TOPICS:
        if topic.key_field in ("user_id", "item_id"):
            assert partition_count(topic, settings) == (5 if topic.key_field == "user_id" else 3)


def test_names_and_back() -> None:
    names = TopicNames("shop.")
    assert names.events == "shop.events"
    assert names.item_vectors("space-1") == "shop.item-vectors.space-1"
    for topic in TOPICS:
        name = names.of(topic, "s" if topic is topics.ITEM_VECTORS else None)
        assert names.topic_of(name) is topic
    assert names.topic_of("shop.other") is None
    assert names.topic_of("freshet.events") is None


def test_names_that_kafka_refuses() -> None:
    for bad in (lambda: TopicNames("a b").items, lambda: TopicNames().item_vectors("a/b")):
        with pytest.raises(ConfigurationError, match="prefix"):
            bad()
    with pytest.raises(ConfigurationError):
        TopicNames().item_vectors("x" * 250)
    with pytest.raises(ConfigurationError):
        TopicNames().of(topics.EVENTS, "space")


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(states(), SETTINGS) == []


@pytest.mark.parametrize(
    ("change", "severity", "problem"),
    [
        ({"partitions": 0}, "error", "does not exist"),
        ({"partitions": 24}, "error", "partitions"),
        ({"config": {"cleanup.policy": "delete"}}, "error", "cleanup.policy"),
        ({"config": {"message.timestamp.type": "CreateTime"}}, "error", "message.timestamp.type"),
        ({"config": {"max.message.bytes": "1048588"}}, "error", "max.message.bytes"),
        ({"config": {"delete.retention.ms": "1"}}, "warning", "delete.retention.ms"),
    ],
)
def test_what_is_wrong_is_found(change: dict[str, object], severity: str, problem: str) -> None:
    wrong = [replace(state, **change) if state.topic is topics.ITEMS else state for state in states()]
    found = findings(wrong, SETTINGS)
    assert found
    assert all(finding.severity == severity and problem in finding.problem for finding in found)


def test_a_larger_limit_than_ours_is_no_problem_and_other_partitions_everywhere_a_warning() -> None:
    assert findings([replace(states()[0], config={"max.message.bytes": "99999999"})], SETTINGS) == []
    doubled = [replace(state, partitions=2 * state.partitions) for state in states()]
    found = findings(doubled, SETTINGS)
    assert {finding.severity for finding in found} == {"warning"}
    assert {"topics.user_partitions", "topics.item_partitions"} <= {
        word.strip("`") for finding in found for word in finding.problem.replace(",", " ").split()
    }


@pytest.mark.parametrize(
    # From Apache Kafka's own UtilsTest.testMurmur2, as signed 32-bit values.
    ("key", "murmur2"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_partitions_are_those_of_kafka_s_own_clients(key: str, murmur2: int) -> None:
    assert partition_of(key, 12) == (murmur2 & 0x7FFFFFFF) % 12
