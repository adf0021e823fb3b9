"""Filters as they are typed: ``K=V``."""

from __future__ import annotations

import json
import re
from typing import Any

from streams.errors import InvalidError

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_RANGE = re.compile(r"(?P<min>[^.].*?|)\.\.(?P<max>.*)")


def parse_filters(texts: tuple[str, ...]) -> dict[str, Any]:
    """The contract's `filter`.

    ``category=shoes``, ``category=shoes,boots`` (either), ``price=10..20``, ``price=..20``, ``vegan=true``.
    What looks like a number is one; ``year="1999"`` is text, as is anything else in JSON's notation.

    Raises:
        InvalidError: One is not of this form, or an attribute comes twice.
    """
    filters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InvalidError(f"--filter {text}: write it as ATTRIBUTE=VALUE, for example category=shoes")
        if name in filters:
            raise InvalidError(
                f"--filter {text}: `{name}` comes twice; write values that are all fine as {name}=A,B"
            )
        filters[name] = _value(text, value)
    return filters


def _value(text: str, value: str) -> Any:
    if value[0] in '["{':
        try:
            return json.loads(value)
        except ValueError as error:
            raise InvalidError(f"--filter {text}: the value is not valid JSON: {error}") from None
    found = _RANGE.fullmatch(value)
    if found is not None:
        ends = {end: _number(text, found[end]) for end in ("min", "max") if found[end]}
        if not ends:
            raise InvalidError(f"--filter {text}: a range needs at least one end")
        return ends
    if "," in value:
        return [_scalar(one) for one in value.split(",")]
    return _scalar(value)


def _scalar(value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    if _NUMBER.fullmatch(value):
        return json.loads(value) if not re.match(r"-?0\d", value) else value
    return value


def _number(text: str, value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise InvalidError(f"--filter {text}: `{value}` is not a number; ranges are of numbers")
    return float(value)
