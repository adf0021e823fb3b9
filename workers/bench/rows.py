"""What a benchmark says: one row a figure, each beside its baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

Setting = Mapping[str, str | int | float]
"""What a figure was measured under, such as ``{"items": 10_000, "events_per_s": 200}``."""


class Row(msgspec.Struct, frozen=True):
    """One figure.

    ``ratio`` is ``value / baseline``, whatever the unit: of a rate more is better, of a time less is. It is
    None where there is no baseline or it is 0. ``baseline`` is of the same unit and from the same run; the
    guide says what it is for each row.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    setting: dict[str, str | int | float]


def row(name: str, value: float, unit: str, baseline: float | None, setting: Setting) -> Row:
    """A row with its ratio.

    Raises:
        ValueError: A figure is not finite: JSON has no such number, and a benchmark no such result.
    """
    for what, figure in (("value", value), ("baseline", baseline)):
        if figure is not None and not math.isfinite(figure):
            raise ValueError(f"the {what} of `{name}` is {figure}")
    ratio = value / baseline if baseline else None
    return Row(name, float(value), unit, None if baseline is None else float(baseline), ratio, dict(setting))


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a JSON list, one a line; what was there is replaced at once or not at all."""
    lines = ",\n".join("  " + msgspec.json.encode(one).decode() for one in rows)
    beside = path.with_name(path.name + ".part")
    beside.write_text(f"[\n{lines}\n]\n" if rows else "[]\n", encoding="utf-8")
    beside.replace(path)


def setting_text(setting: Setting) -> str:
    """A setting for a person: ``items 10,000, events_per_s 200``."""
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int | float) else f"{name} {value}"
        for name, value in setting.items()
    )


def figure_text(figure: float | None) -> str:
    """Three digits that count, and thousands apart; empty for None."""
    if figure is None:
        return ""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
