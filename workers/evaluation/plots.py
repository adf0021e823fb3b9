"""Plots of a prequential report, and what all plots share; only here is Matplotlib known (extra `report`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.errors import ConfigurationError
from workers.evaluation.report import ablation_rows

_SIZE_INCHES = (7.0, 3.6)
_DPI = 120


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


def write_plots(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Metrics over time, the histogram of ranks and what is lost without each part, as PNG files.

    Raises:
        ConfigurationError: See `require_matplotlib`.
    """
    made = [_over_time(report, folder / "over-time.png"), _histogram(report, folder / "ranks.png")]
    if ablation_rows(report):
        made.append(_ablation(report, folder / "ablation.png"))
    return made


def _over_time(report: Mapping[str, Any], path: Path) -> Path:
    # A window without events has no metric.
    windows = [one for one in report["over_time"] if one["n"]]
    times = [datetime.fromtimestamp(one["to_ms"] / 1_000, UTC) for one in windows]
    drawn, axes = new_axes("HR@20 and NDCG@20 over time")
    for name in ("hr@20", "ndcg@20"):
        axes.plot(times, [one[name] for one in windows], marker=".", label=name.upper())
    axes.set_ylim(bottom=0)
    axes.legend()
    drawn.autofmt_xdate()
    return saved(drawn, path)


def _histogram(report: Mapping[str, Any], path: Path) -> Path:
    bins = report["rank_histogram"]
    drawn, axes = new_axes("Rank of the item that was chosen")
    axes.bar(list(bins), list(bins.values()))
    axes.set_ylabel("events")
    axes.tick_params(axis="x", rotation=45)
    return saved(drawn, path)


def _ablation(report: Mapping[str, Any], path: Path) -> Path:
    rows = ablation_rows(report)[::-1]
    drawn, axes = new_axes("HR@20 lost where it is taken away at serving", height=1.2 + 0.25 * len(rows))
    lost = [report["hr@20"] - hit_rate for _, _, hit_rate, _ in rows]
    colours = ["C0" if kind == "signal" else "C1" for kind, *_ in rows]
    axes.barh([f"{name} ({kind})" for kind, name, *_ in rows], lost, color=colours)
    axes.axvline(0.0, color="black", linewidth=0.8)
    return saved(drawn, path)


def new_axes(title: str, height: float = _SIZE_INCHES[1]) -> tuple[Any, Any]:
    """A figure and its axes; ``height`` in inches.

    Raises:
        ConfigurationError: See `require_matplotlib`.
    """
    drawn = require_matplotlib().Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
    axes = drawn.add_subplot()
    axes.set_title(title)
    axes.grid(alpha=0.3)
    return drawn, axes


def new_grid_of_axes(title: str, rows: int, columns: int) -> tuple[Any, Any]:
    """A figure and axes in rows, which share their vertical one, and columns; [rows, columns].

    Raises:
        ConfigurationError: See `require_matplotlib`.
    """
    width, height = _SIZE_INCHES
    drawn = require_matplotlib().Figure(figsize=(width, height * (1 + rows) / 2), layout="constrained")
    drawn.suptitle(title)
    grid = drawn.subplots(rows, columns, sharex="col", sharey="row", squeeze=False)
    for axes in grid.flat:
        axes.grid(alpha=0.3)
    return drawn, grid


def log_scale(axes: Any, name: str, numbers: str = "{x:g}") -> None:
    """Make the ``x`` or ``y`` axis logarithmic, with numbers as people write them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(numbers)
    axis.set_minor_formatter(NullFormatter())


def loss_and_recall(losses: Sequence[float], validation: Sequence[tuple[int, float]], path: Path) -> Path:
    """Loss by epoch from 1, and Recall@20 of validation at some of them."""
    drawn, axes = new_axes("Loss by epoch, and Recall@20 of validation")
    axes.plot(range(1, len(losses) + 1), losses, color="C0", label="loss")
    other = axes.twinx()
    epochs, values = zip(*validation, strict=True)
    other.plot(epochs, values, color="C1", marker=".", label="recall@20")
    other.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.legend(loc="upper left")
    other.legend(loc="lower right")
    return saved(drawn, path)


def saved(drawn: Any, path: Path) -> Path:
    """Write a figure to a file, and return the file."""
    drawn.savefig(path, dpi=_DPI)
    return path
