"""What a deployment's topics hold is the data set that was published to them, as it counts now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from models.datasets import Dataset, DatasetEvent, open_dataset
from streams.errors import ConfigurationError
from streams.internal_messages import FeatureMessage, ItemDeclared, ItemVersion
from streams.records import Outgoing
from streams.settings import PrivacySettings, Settings
from streams.topic_names import TopicNames
from tests.unit.evaluation.retained import (
    FakeTopics,
    erasure_record,
    event_records,
    feature,
    feature_messages,
    feature_records,
)
from tests.unit.evaluation.tiny_dataset import START
from workers.evaluation.offline_data import OfflineData, interaction_data
from workers.evaluation.retained_interactions import retained_items, topics_data

SETTINGS = Settings()
# Events reach Kafka on the day after they occurred.
PUBLISHED_MS = round((START + timedelta(days=1)).timestamp() * 1_000)
NEXT_DAY = START + timedelta(days=2)


@pytest.fixture
def dataset(tiny_folder: Path) -> Dataset:
    return open_dataset(tiny_folder)


@pytest.fixture
def messages(dataset: Dataset) -> list[FeatureMessage]:
    return feature_messages(dataset, SETTINGS)


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch, dataset: Dataset, messages: list[FeatureMessage]) -> FakeTopics:
    """With the whole data set published."""
    made = FakeTopics(monkeypatch)
    made.publish(feature_records(SETTINGS, messages))
    made.publish(event_records(SETTINGS, dataset.events()), PUBLISHED_MS)
    return made


def publish_events(topics: FakeTopics, *events: DatasetEvent, at_ms: int = PUBLISHED_MS + 1_000) -> None:
    topics.publish(event_records(SETTINGS, events), at_ms)


def interactions(found: OfflineData, names: list[str]) -> set[tuple[int, str, int]]:
    """Person, item and time."""
    data = found.data
    assert data.times_ms is not None
    pairs = zip(data.pairs.tolist(), data.times_ms.tolist(), strict=True)
    return {(user, names[item], at_ms) for (user, item), at_ms in pairs}


def test_they_are_the_data_set_that_was_published(topics: FakeTopics, dataset: Dataset) -> None:
    expected = interaction_data(dataset, SETTINGS)
    found = topics_data(SETTINGS)
    order = [item.item_id for item in dataset.items()]
    by_name = np.array(sorted(range(len(order)), key=lambda row: order[row]))
    assert interactions(found, sorted(order)) == interactions(expected, order)
    assert set(found.data.features) == set(expected.data.features) == {"text", "image"}
    for modality, rows in expected.data.features.items():
        np.testing.assert_array_equal(found.data.features[modality], rows[by_name])
    histories, wanted = found.data.histories, expected.data.histories
    assert histories is not None
    assert wanted is not None
    np.testing.assert_array_equal(by_name[histories.items], wanted.items)
    np.testing.assert_array_equal(histories.weights, wanted.weights)
    np.testing.assert_array_equal(histories.times_ms, wanted.times_ms)
    assert found.encoders == expected.encoders
    assert (found.refused, found.unknown_items) == ((), 0)


def test_the_same_records_in_another_order_of_partitions_are_the_same_data(topics: FakeTopics) -> None:
    first = topics_data(SETTINGS)
    for records in topics.records.values():
        records.sort(key=lambda record: (-record.partition, record.offset))
    again = topics_data(SETTINGS)
    np.testing.assert_array_equal(again.data.pairs, first.data.pairs)
    for modality, rows in first.data.features.items():
        np.testing.assert_array_equal(again.data.features[modality], rows)


def test_an_event_that_was_published_twice_counts_once(topics: FakeTopics, dataset: Dataset) -> None:
    before = topics_data(SETTINGS).data.histories
    publish_events(topics, *list(dataset.events())[:5])
    after = topics_data(SETTINGS).data.histories
    assert before is not None
    assert after is not None
    assert len(after) == len(before) > 0


def test_an_item_that_was_withdrawn_is_not_there(topics: FakeTopics, dataset: Dataset) -> None:
    withdrawal = ItemDeclared(item_id="shoes-0", version=ItemVersion(1, 0, 99, 1), withdrawn=True)
    topics.publish(feature_records(SETTINGS, [withdrawal]))
    taken = [one for one in dataset.events() if one.item_id == "shoes-0" and one.action == "click"]
    found = topics_data(SETTINGS)
    assert found.data.items == 11
    assert found.unknown_items == len(taken) > 0


def test_vectors_of_other_encoders_and_lengths_are_left_out(
    topics: FakeTopics, messages: list[FeatureMessage]
) -> None:
    (version,) = {one.version for one in messages if one.item_id == "pans-2"}
    before = retained_items(SETTINGS).features
    of_another = feature("pans-2", version, "text", "another", np.ones(128, "<f4").tobytes())
    topics.publish(feature_records(SETTINGS, [of_another]))
    np.testing.assert_array_equal(
        retained_items(SETTINGS).features["pans-2"]["text"], before["pans-2"]["text"]
    )
    short = feature("pans-2", version, "text", SETTINGS.encoders.text, np.ones(3, "<f4").tobytes())
    topics.publish(feature_records(SETTINGS, [short]))
    found = retained_items(SETTINGS)
    assert "text" not in found.features["pans-2"]
    assert found.refused == ("text of item pans-2 is no vector of 128 numbers",)


def test_who_was_forgotten_is_left_out_but_for_what_they_did_since(
    topics: FakeTopics, dataset: Dataset
) -> None:
    own = [one for one in dataset.events() if one.user_id == "u-0"]
    topics.publish([erasure_record(SETTINGS, "u-0", NEXT_DAY)], round(NEXT_DAY.timestamp() * 1_000))
    assert topics_data(SETTINGS).data.users == 5
    # Published again it is void all the same; what is new is not.
    later_ms = round(NEXT_DAY.timestamp() * 1_000) + 60_000
    publish_events(topics, replace(own[0], event_id="again"), at_ms=later_ms)
    assert topics_data(SETTINGS).data.users == 5
    publish_events(topics, replace(own[0], event_id="new", occurred_at_ms=later_ms), at_ms=later_ms)
    assert topics_data(SETTINGS).data.users == 6
    drops = Settings(privacy=PrivacySettings(later_events="drop"))
    assert topics_data(drops).data.users == 5


def test_messages_that_cannot_be_read_cost_themselves_alone(topics: FakeTopics) -> None:
    before = topics_data(SETTINGS)
    names = TopicNames()
    for topic in (names.events, names.item_features, names.erasures):
        topics.publish([Outgoing(topic, b"k", b"\xff")])
    topics.publish([Outgoing(names.item_features, b"withdrawn", None)])
    found = topics_data(SETTINGS)
    np.testing.assert_array_equal(found.data.pairs, before.data.pairs)
    assert found.refused == (
        "1 messages of `item-features` cannot be read",
        "1 messages of `events` are no valid events",
    )


def test_topics_without_items_or_without_vectors_say_so(
    monkeypatch: pytest.MonkeyPatch, messages: list[FeatureMessage]
) -> None:
    topics = FakeTopics(monkeypatch)
    with pytest.raises(ConfigurationError, match="holds no item"):
        topics_data(SETTINGS)
    declared = [one for one in messages if isinstance(one, ItemDeclared)]
    topics.publish(feature_records(SETTINGS, declared))
    with pytest.raises(ConfigurationError, match=r"holds 12 items, and no vector of text-distilled-128"):
        topics_data(SETTINGS)
