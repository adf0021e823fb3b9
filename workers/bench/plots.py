"""Plots of a benchmark's rows; of this package the only module that knows Matplotlib (extra `report`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.errors import ConfigurationError
from workers.bench.rows import Row, setting_text

_WIDTH_INCHES = 8.0
_DPI = 110


def require_matplotlib() -> Any:
    """Matplotlib's `figure` module, which draws without a display.

    Raises:
        ConfigurationError: It is not installed: says how to.
    """
    try:
        from matplotlib import figure
    except ImportError:
        raise ConfigurationError(
            "plots need Matplotlib: pip install 'freshet[report]', or leave out --report"
        ) from None
    return figure


def plot_rows(title: str, rows: Sequence[Row], path: Path) -> None:
    """Bars of the rows of one unit, each above its baseline, as a PNG file.

    The scale is logarithmic where figures are more than a hundredfold apart: they are all above 0 then.
    """
    drawn = require_matplotlib().Figure(figsize=(_WIDTH_INCHES, 1.1 + 0.42 * len(rows)), layout="constrained")
    axes = drawn.add_subplot()
    places = range(len(rows))
    axes.barh([place - 0.2 for place in places], [one.value for one in rows], 0.38, label="Freshet")
    axes.barh(
        [place + 0.2 for place in places],
        [one.baseline or 0.0 for one in rows],
        0.38,
        label="baseline",
        color="lightgrey",
        edgecolor="grey",
    )
    axes.set_yticks(list(places), [_label(one) for one in rows], fontsize=8)
    axes.invert_yaxis()
    figures = [figure for one in rows for figure in (one.value, one.baseline) if figure]
    if figures and min(figures) > 0 and max(figures) > 100 * min(figures):
        axes.set_xscale("log")
    axes.set_xlabel(rows[0].unit)
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    drawn.savefig(path, dpi=_DPI)


def _label(one: Row) -> str:
    short = {name: value for name, value in one.setting.items() if name not in ("rounds", "records")}
    return f"{one.name}\n{setting_text(short)}" if short else one.name
