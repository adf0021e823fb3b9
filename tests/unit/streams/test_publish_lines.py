"""Each line is checked; a bad one is reported by number, and does not stop the rest."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import partial
from typing import cast

from streams.client import FreshetClient
from streams.codec import decode_value
from streams.messages import Event, Item
from streams.person_hash import person_hash, with_hashed_id
from streams.publish_lines import BadLine, publish_lines
from streams.records import Outgoing
from streams.topics import MAX_MESSAGE_BYTES


class Recorder:
    """Takes what a client would publish."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    def publish(self, records: Iterable[Outgoing]) -> int:
        before = len(self.records)
        self.records.extend(records)
        return len(self.records) - before


def run(content: bytes) -> tuple[list[str], list[BadLine], int, int]:
    recorder, bad, sizes = Recorder(), list[BadLine](), list[int]()
    counts = publish_lines(
        cast("FreshetClient", recorder), "t.items", Item, io.BytesIO(content), bad.append, sizes.append
    )
    assert counts.bad == len(bad)
    assert counts.published == len(recorder.records)
    assert all(record.topic == "t.items" for record in recorder.records)
    ids = [decode_value(record.value or b"", Item).item_id for record in recorder.records]
    return ids, bad, counts.published, sum(sizes)


def test_good_lines_around_bad_ones() -> None:
    content = (
        b'{"item_id":"a"}\n{broken\n\n{"item_id":5}\r\n{"item_id":"\xff"}\n{"item_id":"b"}\r\n{"item_id":"c"}'
    )
    ids, bad, published, size = run(content)
    assert ids == ["a", "b", "c"]
    assert published == 3
    assert [line.number for line in bad] == [2, 4, 5]
    assert "item_id" in bad[1].problem
    assert size == len(content)


def test_a_line_that_is_too_long_is_passed_over() -> None:
    frame = b'{"item_id":"a"' + b"%s" + b"}\n"
    fits = frame % (b" " * (MAX_MESSAGE_BYTES - 15))
    too_long = frame % (b" " * (3 * MAX_MESSAGE_BYTES))
    ids, bad, _, size = run(fits + too_long + b'{"item_id":"b"}\n')
    assert ids == ["a", "b"]
    assert [line.number for line in bad] == [2]
    assert str(MAX_MESSAGE_BYTES) in bad[0].problem
    assert size == len(fits) + len(too_long) + 16


def test_an_empty_file() -> None:
    assert run(b"") == ([], [], 0, 0)


def test_real_ids_leave_as_keyed_hashes() -> None:
    recorder, bad, key = Recorder(), list[BadLine](), "a key that is long enough"
    event = {"event_id": "e1", "user_id": "anna@example.com", "item_id": "a", "action": "click"}
    lines = [{**event, "occurred_at": "2026-11-25T10:00:00Z"}, {**event, "occurred_at": "yesterday"}]
    publish_lines(
        cast("FreshetClient", recorder),
        "t.events",
        Event,
        io.BytesIO("\n".join(map(json.dumps, lines)).encode()),
        bad.append,
        change=partial(with_hashed_id, key=key),
    )
    (record,) = recorder.records
    hashed = person_hash("anna@example.com", key)
    assert record.key == hashed.encode()
    assert decode_value(record.value or b"", Event).user_id == hashed
    assert b"anna" not in (record.value or b"")
    assert [line.number for line in bad] == [2]
