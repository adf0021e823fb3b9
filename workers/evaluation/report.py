"""A report for people: Markdown with tables, and plots beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

METRICS = ("n", "hr@10", "hr@20", "ndcg@10", "ndcg@20", "mrr@10", "mrr@20")
LIST_METRICS = ("coverage@20", "diversity@20", "attribute_diversity@20", "novelty@20")
SEGMENT_TITLES = {
    "cold_users": "people with < 5 positives",
    "cold_items": "items with < 5 positives",
    "distinct_seconds": "distinct seconds",
}

Values = Mapping[str, Any]


def summary_rows(report: Values) -> list[tuple[object, ...]]:
    """A row of `METRICS` for all events, each segment and each further pass."""
    rows: list[tuple[object, ...]] = [("all", *_metrics(report))]
    rows += [(title, *_metrics(report[name])) for name, title in SEGMENT_TITLES.items()]
    objectives: Values = report.get("objectives", {})
    rows += [(f"objective {name}", *_metrics(values)) for name, values in objectives.items()]
    rows.append(("new items among new items", *_metrics(report["new_items"])))
    for name in passes_of(report):
        title = name.replace("_", " ")
        rows.append((title, *_metrics(report[name])))
        rows.append((f"{title}, {SEGMENT_TITLES['cold_items']}", *_metrics(report[name]["cold_items"])))
    return rows


def list_rows(report: Values) -> list[tuple[object, ...]]:
    """A row of `LIST_METRICS` for the lists as ranked, and for each further pass."""
    return [
        ("as ranked", *(report.get(name) for name in LIST_METRICS)),
        *(
            (name.replace("_", " "), *(report[name].get(metric) for metric in LIST_METRICS))
            for name in passes_of(report)
        ),
    ]


def ablation_rows(report: Values) -> list[tuple[str, str, float, float]]:
    """Kind, name, HR@20 and NDCG@20 without each part and source, the greatest loss first."""
    found = [
        (kind, name, values["hr@20"], values["ndcg@20"])
        for kind, by_name in (("signal", "parts"), ("source", "sources"))
        for name, values in report["ablation"][by_name].items()
        if values["n"]
    ]
    return sorted(found, key=lambda row: row[2])


def passes_of(report: Values) -> list[str]:
    """The names of the further passes."""
    return [name for name in report if name.startswith("with_")]


def write_report(report: Values, folder: Path) -> list[Path]:
    """Write `report.md` and its plots, and return all files.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    from workers.evaluation.plots import write_plots

    folder.mkdir(parents=True, exist_ok=True)
    plots = write_plots(report, folder)
    page = folder / "report.md"
    page.write_text(markdown(report, [plot.name for plot in plots]), encoding="utf-8")
    return [page, *plots]


def markdown(report: Values, plots: Sequence[str]) -> str:
    """The report as a page; ``plots`` are file names beside it."""
    interval = report["intervals"]["hr@20"]
    parts = [
        f"# Prequential evaluation of the {report['ranker']} ranker\n",
        f"On {report['source']}: {report['warm_up']:,} events of warm-up, {report['events']:,} events "
        f"evaluated, of which {report['n']:,} positive ones were ranked, by {report['users']:,} people.\n",
    ]
    if interval is not None:
        parts.append(
            f"HR@20 {interval['mean']:.4f}, with a 95 % interval over people of {interval['low']:.4f} to "
            f"{interval['high']:.4f} (standard error {interval['standard_error']:.4f}).\n"
        )
    parts += [
        markdown_table(("events", *METRICS), summary_rows(report)),
        "## Lists\n",
        markdown_table(("pass", *LIST_METRICS), list_rows(report)),
        "## Speed\n",
        markdown_table(("what", "value"), speed_rows(report)),
    ]
    rows = ablation_rows(report)
    if rows:
        parts += [
            "## Taken away in turn\n",
            f"{report['ablation']['note'].capitalize()}.\n",
            markdown_table(("kind", "without", "hr@20", "ndcg@20"), rows),
        ]
    parts += [
        "## Over time\n",
        markdown_table(
            ("from", "to", "n", "hr@20", "ndcg@20"),
            [
                (day(one["from_ms"]), day(one["to_ms"]), one["n"], one["hr@20"], one["ndcg@20"])
                for one in report["over_time"]
            ],
        ),
        "## Ranks\n",
        markdown_table(("rank", "events"), list(report["rank_histogram"].items())),
        *(f"![{name}]({name})\n" for name in plots),
    ]
    return "\n".join(parts)


def speed_rows(report: Values) -> list[tuple[object, ...]]:
    """What was timed, and its value."""
    return [
        ("events/s: ranking, learning, taking in", report["events_per_s"]),
        ("the same by processor time", report["events_per_processor_s"]),
        ("held-out events/s", report["held_out_per_s"]),
        ("ms to rank a held-out event", report["rank_ms"]),
        ("ms to learn an event", report["learn_ms"]),
        ("ms to take an event in", report["observe_ms"]),
        (f"s of {report['refreshes']} refits, apart", report["refresh_s"]),
        ("the same by processor time", report["refresh_processor_s"]),
    ]


def day(time_ms: int) -> str:
    """A date for a person."""
    return f"{datetime.fromtimestamp(time_ms / 1_000, UTC):%Y-%m-%d}"


def _metrics(values: Values) -> list[object]:
    return [values[name] for name in METRICS]


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")
