"""Filters as they are typed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.errors import InvalidError
from streams.messages import RecommendationRequest
from workers.cli.filters import parse_filters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=shoes", "shoes"),
        ("k=shoes,boots", ["shoes", "boots"]),
        ("k=10", 10),
        ("k=-2.5", -2.5),
        ("k=1,2.5,x", [1, 2.5, "x"]),
        ("k=true", True),
        ("k=10..20", {"min": 10.0, "max": 20.0}),
        ("k=10..", {"min": 10.0}),
        ("k=..20", {"max": 20.0}),
        ("k=1.5..2.5", {"min": 1.5, "max": 2.5}),
        ('k="1999"', "1999"),
        ('k=["a,b", 3]', ["a,b", 3]),
        ("k=007", "007"),
        ("k=1.2.3", "1.2.3"),
        ("k=a=b", "a=b"),
        ("k=größe", "größe"),
    ],
)
def test_values(text: str, value: Any) -> None:
    filters = parse_filters((text,))
    assert filters == {"k": value}
    assert type(filters["k"]) is type(value)
    msgspec.convert({"request_id": "r", "user_id": "u", "filter": filters}, RecommendationRequest)


@pytest.mark.parametrize(
    "texts", [("k",), ("k=",), ("=v",), ("k=a..b",), ("k=..",), ("k=[1",), ("k=1", "k=2")]
)
def test_what_cannot_be_meant_is_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidError, match="--filter"):
        parse_filters(texts)
