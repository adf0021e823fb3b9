"""Titles and attributes from item vectors: the newest counts, the number is bounded, vectors are not kept."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from aiokafka import ConsumerRecord

from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from tests.unit.workers.fakes import NOW
from workers.feature_records import VERSION_HEADER
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_titles import KEPT_CHARACTERS, ItemTitles, KnownItem


def version(offset: int) -> ItemVersion:
    return ItemVersion(1, 0, offset, offset)


def vector(
    item_id: str = "a", title: str = "A", offset: int = 1, revision: int = 1, **attributes: Any
) -> bytes:
    return encode(
        ItemVector(
            item_id=item_id,
            version=version(offset),
            revision=revision,
            vector=np.ones(256, "<f2").tobytes(),
            modalities=["text"],
            title=title,
            attributes=attributes,
            created_at=NOW,
        )
    )


def titles(max_items: int = 10) -> ItemTitles:
    return ItemTitles(max_items, ("category", "tags"))


def test_an_item_is_known_by_title_and_the_attributes_that_words_may_mention() -> None:
    held = titles()
    assert held.take(vector(title="Lamp", category="lamp", tags=["a", "b"], margin=0.4))
    assert held.find("a") == KnownItem("Lamp", {"category": "lamp", "tags": ["a", "b"]})
    assert held.find("b") is None


def test_only_what_is_newer_counts() -> None:
    held = titles()
    assert held.take(vector(title="2", offset=2))
    assert not held.take(vector(title="1", offset=1, revision=9))
    assert not held.take(vector(title="2 again", offset=2))
    assert held.take(vector(title="2 revised", offset=2, revision=2))
    assert held.take(vector(title="3", offset=3))
    assert held.find("a") == KnownItem("3", {})


def test_a_withdrawn_item_does_not_come_back_by_an_older_record() -> None:
    held = titles()
    held.take(vector(offset=2))
    assert not held.remove("a", version(1))
    assert held.remove("a", version(3))
    assert held.find("a") is None
    assert not held.take(vector(offset=2, revision=5))
    assert held.take(vector(offset=4))


def test_the_number_of_items_and_the_size_of_each_are_bounded() -> None:
    held = titles(max_items=2)
    for item_id in ("a", "b"):
        held.take(vector(item_id))
    held.take(vector("a", offset=5))
    held.take(vector("c", title="x" * 4_000, tags=["y" * 1_000] * 100))
    assert len(held) == 2
    assert held.find("b") is None
    found = held.find("c")
    assert found is not None
    assert len(found.title) == KEPT_CHARACTERS
    assert len(str(found.attributes)) < 5_000


def test_a_record_that_cannot_be_taken_is_passed_over() -> None:
    def record(value: bytes | None, key: bytes = b"a", headers: Any = ()) -> ConsumerRecord:
        return ConsumerRecord("t", 0, 7, 0, 0, key, value, None, len(key), 0, headers)

    held = titles()
    counts: list[int] = []
    follower = VectorsFollower(Settings(), "t", held, on_change=counts.append)
    follower._take(
        [
            record(b"not MessagePack"),
            record(vector()),
            record(None, b"\xff"),
            record(None, headers=((VERSION_HEADER, b"\xc1"),)),
        ]
    )
    assert counts == [1]
    follower._take([record(None, headers=((VERSION_HEADER, msgspec.msgpack.encode(version(9))),))])
    assert counts == [1, 0]
