"""What a reader of the topic of item vectors holds, and what compaction would leave it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from tests.faults.item_vectors import ItemVectors
from workers.feature_records import VERSION_HEADER


def version(offset: int) -> ItemVersion:
    return ItemVersion(1, 0, offset, offset)


def record(offset: int, revision: int) -> bytes:
    return encode(
        ItemVector(
            item_id="a",
            version=version(offset),
            revision=revision,
            vector=None,
            modalities=[],
            title=f"edition {offset}",
            created_at=datetime.fromtimestamp(0, UTC),
        )
    )


def test_a_record_that_comes_late_is_ignored_and_told_until_a_newer_one_follows() -> None:
    vectors = ItemVectors()
    vectors.take("a", record(2, 20), {})
    vectors.take("a", record(1, 10), {})
    assert (vectors.held["a"].title, vectors.outdated) == ("edition 2", {"a"})
    vectors.take("a", record(2, 20), {})
    assert vectors.outdated == set()
    vectors.take("a", None, {VERSION_HEADER: msgspec.msgpack.encode(version(3))})
    vectors.take("a", record(2, 20), {})
    assert (vectors.held["a"], vectors.outdated) == (None, {"a"})
