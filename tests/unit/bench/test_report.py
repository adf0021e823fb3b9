"""The page of a report, and its plots."""

import json
from pathlib import Path

from workers.bench.report import by_unit, page, write_report
from workers.bench.rows import row

ROWS = [
    row("in", 60_000, "records/s", 70_000, {"records": 100_000}),
    row("event_to_list_p50", 9.5, "ms", 4.0, {"items": 10_000, "events_per_s": 200}),
    row("recommend", 600, "lists/s", None, {}),
    row("event_to_list_p99", 31.0, "ms", 20.0, {"items": 10_000, "events_per_s": 200}),
]


def test_rows_of_one_unit_share_a_plot() -> None:
    assert {unit: len(rows) for unit, rows in by_unit(ROWS).items()} == {
        "records/s": 1,
        "ms": 2,
        "lists/s": 1,
    }


def test_the_page_has_every_row_beside_its_baseline() -> None:
    text = page(ROWS, "short", [("ms", "plot-0.png")])
    assert "| event_to_list_p50 | 9.5 | 4 | ms | 2.38 | items 10,000, events_per_s 200 |" in text
    assert "| recommend | 600 |  | lists/s |  |  |" in text
    assert "short form" in text
    assert "![ms](plot-0.png)" in text


def test_a_report_is_written_whole_and_again(tmp_path: Path) -> None:
    for rows in (ROWS[:1], ROWS):
        write_report(rows, tmp_path / "report", "short")
    folder = tmp_path / "report"
    assert len(json.loads((folder / "rows.json").read_text())) == len(ROWS)
    for plot in ("plot-0.png", "plot-1.png", "plot-2.png"):
        assert (folder / plot).read_bytes().startswith(b"\x89PNG")
        assert plot in (folder / "README.md").read_text()
