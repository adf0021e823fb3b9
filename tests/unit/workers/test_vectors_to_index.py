"""Following item vectors: a record that cannot be taken costs itself alone."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from aiokafka import ConsumerRecord

from models.retrieval import ItemIndex
from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from tests.unit.workers.fakes import NOW
from workers.feature_records import VERSION_HEADER
from workers.vectors_to_index import IndexFollower

VERSION = ItemVersion(1, 0, 5, 5)


def record(value: bytes | None, key: bytes = b"a", headers: Any = ()) -> ConsumerRecord:
    return ConsumerRecord("t", 0, 7, 0, 0, key, value, None, len(key), 0, headers)


def vector(numbers: list[float]) -> bytes:
    packed = np.array(numbers, "<f2").tobytes()
    return encode(
        ItemVector(item_id="a", version=VERSION, revision=1, vector=packed, modalities=[], created_at=NOW)
    )


@pytest.mark.parametrize(
    "bad",
    [
        record(b"not MessagePack"),
        record(vector([1.0, 0.0, 0.0])),
        record(vector([np.nan, 0.0])),
        record(None, b"\xff"),
        record(None, headers=((VERSION_HEADER, b"\xc1"),)),
    ],
)
def test_what_cannot_be_taken_is_passed_over(bad: ConsumerRecord) -> None:
    index = ItemIndex(2)
    follower = IndexFollower(Settings(), "t", index)
    assert not follower._apply(bad)
    assert follower._apply(record(vector([1.0, 0.0])))
    assert not follower._apply(bad)
    assert index.vectors[index.rows_of(["a"])].tolist() == [[1.0, 0.0]]
    assert follower._apply(record(None, headers=((VERSION_HEADER, msgspec.msgpack.encode(VERSION)),)))
    assert "a" not in index
