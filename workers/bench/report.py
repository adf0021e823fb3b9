"""A report of a benchmark: one page of tables and plots."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workers.bench.plots import plot_rows
from workers.bench.rows import Row, figure_text, setting_text, write_rows


def by_unit(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows that one axis can show, in the order in which they came."""
    found: dict[str, list[Row]] = {}
    for one in rows:
        found.setdefault(one.unit, []).append(one)
    return found


def page(rows: Sequence[Row], size: str, plots: Sequence[tuple[str, str]]) -> str:
    """The page as Markdown.

    Args:
        size: Of the run.
        plots: Unit and file name of each plot.
    """
    lines = [
        "# Benchmark of Freshet",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {size} form, {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}. Everything ran on one machine; each "
        "figure's baseline is of the same run. What each row and baseline is: docs/guide/benchmarks.md.",
        "",
        "| name | value | baseline | unit | ratio | setting |",
        "|---|---:|---:|---|---:|---|",
        *(
            f"| {one.name} | {figure_text(one.value)} | {figure_text(one.baseline)} | {one.unit} "
            f"| {figure_text(one.ratio)} | {setting_text(one.setting)} |"
            for one in rows
        ),
        "",
        *(f"![{unit}]({file})\n" for unit, file in plots),
    ]
    return "\n".join(lines) + "\n"


def write_report(rows: Sequence[Row], folder: Path, size: str) -> None:
    """Write `README.md`, the plots and `rows.json` into a folder, over those of before.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for number, (unit, of_unit) in enumerate(by_unit(rows).items()):
        file = f"plot-{number}.png"
        plot_rows(unit, of_unit, folder / file)
        plots.append((unit, file))
    (folder / "README.md").write_text(page(rows, size, plots), encoding="utf-8")
    write_rows(rows, folder / "rows.json")
