"""Hypothesis strategies for messages, read off their types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from streams.fields import Message
from streams.messages import Media, Range, RecommendedItem

TEXT = st.characters(exclude_categories=["Cs"])
_MAX_ELEMENTS = 4
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=5), inner, max_size=3),
    max_leaves=6,
)
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))])
_TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=_ZONES)


def messages(message_type: type[Message]) -> st.SearchStrategy[Any]:
    """Valid messages of a type."""
    return _of(inspect.type_info(message_type))


def _of(info: Any) -> st.SearchStrategy[Any]:
    match info:
        case inspect.StructType():
            return _struct(info)
        case inspect.StrType(pattern=pattern) if pattern:
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: not text.endswith("\n"))
        case inspect.StrType():
            return st.text(TEXT, min_size=info.min_length or 0, max_size=min(info.max_length or 20, 20))
        case inspect.IntType():
            return st.integers(-(2**63) if info.ge is None else info.ge, info.le or 2**63 - 1)
        case inspect.FloatType():
            return st.floats(info.ge, info.le, allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.BytesType():
            return st.binary(max_size=20)
        case inspect.DateTimeType():
            return _TIMES
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.AnyType():
            return _JSON
        case inspect.ListType():
            return st.lists(_of(info.item_type), min_size=info.min_length or 0, max_size=_MAX_ELEMENTS)
        case inspect.DictType():
            return st.dictionaries(_of(info.key_type), _of(info.value_type), max_size=_MAX_ELEMENTS)
        case inspect.UnionType():
            return st.one_of([_of(option) for option in info.types])
    raise TypeError(f"a field of a type that has no strategy yet: {info}")


def _struct(info: inspect.StructType) -> st.SearchStrategy[Any]:
    required = {field.name: _of(field.type) for field in info.fields if field.required}
    optional = {field.name: _of(field.type) for field in info.fields if not field.required}
    if info.cls is Media:
        return st.builds(Media, kind=required["kind"], uri=st.text(TEXT, min_size=1, max_size=9)) | st.builds(
            Media, kind=required["kind"], data=st.text(TEXT, max_size=9)
        )
    if info.cls is Range:
        number = st.floats(allow_nan=False, allow_infinity=False)
        return st.builds(Range, min=number) | st.builds(Range, min=number, max=number)
    if info.cls is RecommendedItem:
        return st.fixed_dictionaries(required).flatmap(_recommended_item)
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: info.cls(**fields))


def _recommended_item(fields: dict[str, Any]) -> st.SearchStrategy[RecommendedItem]:
    score = max(-1e300, min(1e300, fields["score"]))
    reasons = [msgspec.structs.replace(reason, contribution=0.0) for reason in fields["reasons"]]
    if not reasons:
        score = 0.0
    else:
        reasons[0] = msgspec.structs.replace(reasons[0], contribution=score)
    return st.just(RecommendedItem(item_id=fields["item_id"], score=score, reasons=reasons))
