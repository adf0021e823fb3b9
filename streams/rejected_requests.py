"""Whom to answer where a request is invalid: it gets a list without items, besides its dead letter."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streams.codec import check_key
from streams.errors import KeyMismatchError
from streams.fields import Id
from streams.records import Record


class RejectedRequest(NamedTuple):
    """What an answer must name."""

    request_id: str
    user_id: str


class _Ids(msgspec.Struct, frozen=True):
    request_id: Id
    user_id: Id


_DECODER = msgspec.json.Decoder(_Ids)


def rejected_request(record: Record) -> RejectedRequest | None:
    """The ids of a request that `decode_record` refused, or None where they cannot be told.

    A key that is not the user in the value gives None too: nobody knows whose page it was.
    """
    if record.value is None:
        return None
    try:
        ids = _DECODER.decode(record.value)
        check_key(record, ids.user_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyMismatchError):
        return None
    return RejectedRequest(ids.request_id, ids.user_id)
