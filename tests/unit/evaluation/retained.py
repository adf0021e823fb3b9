"""Topics without Kafka: what a deployment would hold of a data set, and who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from models.datasets import Dataset, DatasetEvent
from streams.codec import outgoing
from streams.internal_messages import FeatureMessage, ItemDeclared, ItemFeature, ItemVersion
from streams.messages import Erasure, Event
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.evaluation import retained_interactions, retained_texts, retained_topics
from workers.evaluation.catalogue import encode_items
from workers.feature_records import feature_record

PARTITIONS = 2


class FakeTopics:
    """Holds records by topic, and stands in for `TopicReader`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records: dict[str, list[Record]] = {}
        for module in (retained_topics, retained_interactions, retained_texts):
            monkeypatch.setattr(module, "TopicReader", self._reader)

    def publish(self, records: Iterable[Outgoing], at_ms: int = 0) -> None:
        """Add records; each a millisecond after the one before, from ``at_ms`` on."""
        for number, one in enumerate(records):
            held = self.records.setdefault(one.topic, [])
            partition = one.partition or 0
            held.append(
                Record(one.topic, "", partition, len(held), at_ms + number, one.key, one.value, one.headers)
            )

    def _reader(self, _: object, topic: str, start: str) -> _Reader:
        assert start == "beginning"
        return _Reader(self.records.get(topic, []))


class _Reader:
    def __init__(self, records: list[Record]) -> None:
        self._records = records

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ends(self) -> dict[int, int]:
        ends: dict[int, int] = {}
        for record in self._records:
            ends[record.partition] = record.offset + 1
        return ends

    def read_to_end(self, ends: Mapping[int, int] | None = None) -> Iterator[Record]:
        until = self.ends() if ends is None else ends
        return (one for one in self._records if one.offset < until.get(one.partition, 0))


def feature_messages(dataset: Dataset, settings: Settings) -> list[FeatureMessage]:
    """What encode roles say of a catalogue: of each item its modalities, and then that it is declared."""
    items = list(dataset.items())
    encoded = encode_items(items, settings)
    messages: list[FeatureMessage] = []
    for offset, (item, features) in enumerate(zip(items, encoded.features, strict=True)):
        version = ItemVersion(1, 0, offset, 0)
        messages += [
            feature(item.item_id, version, modality, encoded.specs[modality].name, vector.tobytes())
            for modality, vector in features.items()
        ]
        sources: Any = {modality: _source(item.item_id, modality) for modality in features}
        messages.append(ItemDeclared(item_id=item.item_id, version=version, sources=sources))
    return messages


def feature(item_id: str, version: ItemVersion, modality: Any, encoder: str, vector: bytes) -> ItemFeature:
    """A modality's vector; its source is what `feature_messages` declares."""
    source = _source(item_id, modality)
    return ItemFeature(
        item_id=item_id,
        version=version,
        modality=modality,
        encoder=encoder,
        source_hash=source,
        content_hash=source,
        vector=vector,
    )


def feature_records(settings: Settings, messages: Iterable[FeatureMessage]) -> list[Outgoing]:
    """As encode roles publish them."""
    return [feature_record(TopicNames(settings.topics.prefix), settings, one) for one in messages]


def event_records(settings: Settings, events: Iterable[DatasetEvent]) -> list[Outgoing]:
    """As a shop publishes them."""
    topic = TopicNames(settings.topics.prefix).events
    return [
        outgoing(
            topic,
            Event(
                event_id=one.event_id,
                user_id=one.user_id,
                item_id=one.item_id,
                action=one.action,
                occurred_at=datetime.fromtimestamp(one.occurred_at_ms / 1_000, UTC),
                value=one.value,
            ),
        )
        for one in events
    ]


def erasure_record(settings: Settings, user_id: str, at: datetime) -> Outgoing:
    """Somebody asks to be forgotten."""
    return outgoing(TopicNames(settings.topics.prefix).erasures, Erasure(user_id=user_id, requested_at=at))


def _source(item_id: str, modality: str) -> str:
    return f"{item_id} {modality}"
