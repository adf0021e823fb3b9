"""A refused request still says whom to answer, where it can."""

from __future__ import annotations

import pytest

from streams.records import Record
from streams.rejected_requests import RejectedRequest, rejected_request


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (b"u", b'{"request_id":"r","user_id":"u","count":1000000}', RejectedRequest("r", "u")),
        (None, b'{"request_id":"r","user_id":"u","filter":7}', RejectedRequest("r", "u")),
        (b"other", b'{"request_id":"r","user_id":"u"}', None),
        (b"u", b'{"request_id":5,"user_id":"u"}', None),
        (b"u", b'{"user_id":"u"}', None),
        (b"u", b'{"request_id":"r","user_id":"u"', None),
        (b"u", b'{"request_id":"\xff","user_id":"u"}', None),
        (b"u", b'{"x":' + b"[" * 100_000, None),
        (b"u", None, None),
    ],
)
def test_ids(key: bytes | None, value: bytes | None, expected: RejectedRequest | None) -> None:
    assert rejected_request(Record("t", "uuid", 0, 0, 0, key, value)) == expected
