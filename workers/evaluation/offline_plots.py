"""Plots of a comparison of models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.offline_report import ITEM_SEGMENTS, USER_SEGMENTS
from workers.evaluation.plots import new_axes, saved

Values = Mapping[str, Any]
_INCHES_A_BAR = 0.3


def write_offline_plots(report: Values, folder: Path) -> list[Path]:
    """Metrics with intervals, segments, and what is left without modalities, as PNG files.

    Raises:
        ConfigurationError: See `require_matplotlib`.
    """
    made = [
        _accuracy(report, "recall@20", folder / "recall.png"),
        _accuracy(report, "ndcg@20", folder / "ndcg.png"),
        _segments(report, "users", USER_SEGMENTS, "People by interactions", folder / "people.png"),
        _segments(report, "items", ITEM_SEGMENTS, "Items by popularity", folder / "items.png"),
    ]
    if any("masks" in one for one in report["models"].values()):
        made.append(_masks(report, folder / "modalities.png"))
    return made


def _accuracy(report: Values, metric: str, path: Path) -> Path:
    models = sorted(report["models"].items(), key=lambda item: item[1][metric])
    drawn, axes = new_axes(
        f"{metric.upper()} of the test, 95 % intervals over people", height=1.2 + _INCHES_A_BAR * len(models)
    )
    values = [one[metric] for _, one in models]
    intervals = [one["intervals"][metric] for _, one in models]
    errors = [
        [max(0.0, value - one["low"]) for value, one in zip(values, intervals, strict=True)],
        [max(0.0, one["high"] - value) for value, one in zip(values, intervals, strict=True)],
    ]
    colours = ["C1" if name == report["chosen"] else "C0" for name, _ in models]
    axes.barh([name for name, _ in models], values, xerr=errors, color=colours, capsize=3)
    axes.set_xlim(left=0)
    return saved(drawn, path)


def _segments(report: Values, kind: str, groups: tuple[str, ...], title: str, path: Path) -> Path:
    models = report["models"]
    known = [group for group in groups if any(group in one["segments"][kind] for one in models.values())]
    drawn, axes = new_axes(f"{title}: RECALL@20 of the test")
    width = 0.8 / max(1, len(models))
    for number, (name, one) in enumerate(models.items()):
        places = [place + number * width for place in range(len(known))]
        heights = [one["segments"][kind].get(group, {}).get("recall@20") or 0.0 for group in known]
        axes.bar(places, heights, width=width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(known))], known)
    axes.legend(fontsize="small")
    return saved(drawn, path)


def _masks(report: Values, path: Path) -> Path:
    rows = [
        (f"{name} without {mask}", values["recall@20"], one["recall@20"])
        for name, one in report["models"].items()
        for mask, values in one.get("masks", {}).items()
    ][::-1]
    drawn, axes = new_axes(
        "RECALL@20 without modalities (line: with all)",
        height=1.2 + _INCHES_A_BAR * len(rows),
    )
    labels = [label for label, *_ in rows]
    axes.barh(labels, [left for _, left, _ in rows])
    axes.scatter([whole for *_, whole in rows], labels, marker="|", color="black", s=120, zorder=3)
    return saved(drawn, path)
