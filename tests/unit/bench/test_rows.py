"""Rows: the format that is written, and what a ratio is."""

import json
import math
from pathlib import Path

import pytest

from workers.bench.rows import figure_text, row, setting_text, write_rows


def test_a_written_row_has_exactly_the_promised_fields(tmp_path: Path) -> None:
    rows = [
        row("profile", 9_000, "events/s", 12_000, {"records": 30_000}),
        row("item_in_redis", 700, "bytes/item", None, {}),
    ]
    write_rows(rows, tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text()) == [
        {
            "name": "profile",
            "value": 9_000.0,
            "unit": "events/s",
            "baseline": 12_000.0,
            "ratio": 0.75,
            "setting": {"records": 30_000},
        },
        {
            "name": "item_in_redis",
            "value": 700.0,
            "unit": "bytes/item",
            "baseline": None,
            "ratio": None,
            "setting": {},
        },
    ]


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    write_rows([row("in", 1, "records/s", 1, {})], path)
    write_rows([], path)
    assert json.loads(path.read_text()) == []
    assert list(tmp_path.iterdir()) == [path]


def test_a_baseline_of_nothing_has_no_ratio() -> None:
    assert row("person_in_worker", 12, "bytes", 0, {}).ratio is None


@pytest.mark.parametrize("figure", [math.inf, math.nan])
def test_a_figure_that_json_does_not_have_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="`in`"):
        row("in", figure, "records/s", 1, {})
    with pytest.raises(ValueError, match="baseline"):
        row("in", 1, "records/s", figure, {})


def test_figures_for_a_person() -> None:
    assert [figure_text(one) for one in (None, 0.01234, 12.345, 123.45, 123_456.7)] == [
        "",
        "0.0123",
        "12.3",
        "123",
        "123,457",
    ]
    assert setting_text({"items": 10_000, "ranker": "base"}) == "items 10,000, ranker base"
