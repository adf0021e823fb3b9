"""A comparison of models for people: rows of tables, and a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.evaluation.report import markdown_table

Values = Mapping[str, Any]
ACCURACY_COLUMNS = (
    "recall@20",
    "ndcg@20",
    "recall@10",
    "ndcg@10",
    "precision@20",
    "hr@20",
    "mrr@20",
    "map@20",
    "auc",
)
LIST_COLUMNS = (
    "coverage@20",
    "diversity@20",
    "novelty@20",
    "arp@20",
    "popularity_lift@20",
    "calibration@20",
)
USER_SEGMENTS = ("few", "middle", "many")
ITEM_SEGMENTS = ("new", "tail", "middle", "head")


def accuracy_rows(report: Values) -> list[tuple[object, ...]]:
    """A row of `ACCURACY_COLUMNS` of the test for each model; the chosen one has a mark."""
    return [
        (_name(report, name), *(one[metric] for metric in ACCURACY_COLUMNS))
        for name, one in report["models"].items()
    ]


def validation_rows(report: Values) -> list[tuple[object, ...]]:
    """Name, Recall@20 and NDCG@20 of validation and of the test with interval, settings and seeds."""
    return [
        (
            _name(report, name),
            one["validation"]["recall@20"],
            one["validation"]["ndcg@20"],
            _with_interval(one, "recall@20"),
            _with_interval(one, "ndcg@20"),
            _spread(one),
            _settings(one["settings"]),
        )
        for name, one in report["models"].items()
    ]


VALIDATION_COLUMNS = (
    "model",
    "validation recall@20",
    "ndcg@20",
    "test recall@20 [95 %]",
    "test ndcg@20 [95 %]",
    "seeds",
    "settings",
)


def grid_rows(report: Values) -> list[tuple[object, ...]]:
    """Every setting that was tried, with its validation."""
    return [
        (name, _settings(tried["settings"]), tried["recall@20"], tried["ndcg@20"])
        for name, one in report["models"].items()
        for tried in one["validation"]["grid"]
    ]


def list_rows(report: Values) -> list[tuple[object, ...]]:
    """A row of `LIST_COLUMNS` for each model."""
    return [
        (_name(report, name), *(one[metric] for metric in LIST_COLUMNS))
        for name, one in report["models"].items()
    ]


def segment_rows(report: Values) -> list[tuple[object, ...]]:
    """Recall@20 by activity of people and by popularity of items, for each model."""
    return [
        (
            _name(report, name),
            *(one["segments"]["users"].get(group, {}).get("recall@20") for group in USER_SEGMENTS),
            *(one["segments"]["items"].get(group, {}).get("recall@20") for group in ITEM_SEGMENTS),
        )
        for name, one in report["models"].items()
    ]


SEGMENT_COLUMNS = (
    "recall@20",
    *(f"people: {name}" for name in USER_SEGMENTS),
    *(f"items: {name}" for name in ITEM_SEGMENTS),
)


def mask_rows(report: Values) -> list[tuple[object, ...]]:
    """Model, what is taken away, Recall@20 then, and the share of it that is lost."""
    return [
        (name, mask, values["recall@20"], values["ndcg@20"], values["lost"]["recall@20"])
        for name, one in report["models"].items()
        for mask, values in one.get("masks", {}).items()
    ]


MASK_COLUMNS = ("model", "without", "recall@20", "ndcg@20", "recall@20 lost")


def cold_rows(report: Values) -> list[tuple[object, ...]]:
    """Recall@20 and NDCG@20 of held-out items among all items and among each other."""
    return [
        (
            name,
            *(one["cold_items"][among][metric] for among in ("among_all", "among_new") for metric in _SHORT),
        )
        for name, one in report["models"].items()
        if "cold_items" in one
    ]


COLD_COLUMNS = ("model", "recall@20 among all", "ndcg@20", "recall@20 among new", "ndcg@20 ")
_SHORT = ("recall@20", "ndcg@20")


def tables(report: Values) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
    """Title, columns and rows of each table that has rows."""
    for title, columns, rows in (
        ("What validation chose, and the test", VALIDATION_COLUMNS, validation_rows(report)),
        ("Accuracy on the test", ("model", *ACCURACY_COLUMNS), accuracy_rows(report)),
        ("Lists of the test", ("model", *LIST_COLUMNS), list_rows(report)),
        ("People by interactions, items by popularity", SEGMENT_COLUMNS, segment_rows(report)),
        ("Modalities taken away at serving", MASK_COLUMNS, mask_rows(report)),
        ("Items that nobody took yet", COLD_COLUMNS, cold_rows(report)),
    ):
        if rows:
            yield title, columns, rows


def write_offline_report(report: Values, folder: Path) -> list[Path]:
    """Write `report.md` and its plots, and return all files.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    from workers.evaluation.offline_plots import write_offline_plots

    folder.mkdir(parents=True, exist_ok=True)
    plots = write_offline_plots(report, folder)
    page = folder / "report.md"
    page.write_text(markdown(report, [plot.name for plot in plots]), encoding="utf-8")
    return [page, *plots]


def summary(report: Values) -> str:
    """What was compared, in a sentence."""
    counts = report["interactions"]
    return (
        f"{report['dataset']}, protocol {report['protocol']}: {report['people']:,} people, "
        f"{report['items']:,} items, {counts['train']:,} interactions to learn from, "
        f"{counts['validation']:,} to choose by, {counts['test']:,} of the test; "
        f"chosen by {report['chosen_by']}: {report['chosen']}"
    )


def markdown(report: Values, plots: Sequence[str]) -> str:
    """The comparison as a page; ``plots`` are file names beside it."""
    parts = ["# Comparison of models\n", f"{summary(report)}.\n"]
    for title, columns, rows in tables(report):
        parts += [f"## {title}\n", markdown_table(columns, rows)]
    parts += [
        "## Settings that were tried\n",
        markdown_table(("model", "settings", "validation recall@20", "ndcg@20"), grid_rows(report)),
        *(f"![{name}]({name})\n" for name in plots),
    ]
    return "\n".join(parts)


def _name(report: Values, name: str) -> str:
    return f"{name} ←" if name == report["chosen"] else name


def _with_interval(one: Values, metric: str) -> str:
    interval = one["intervals"][metric]
    return f"{one[metric]:.4f} [{interval['low']:.4f}, {interval['high']:.4f}]"


def _spread(one: Values) -> str:
    deviation = one["standard_deviation"]["recall@20"]
    count = len(one["seeds"])
    return str(count) if deviation is None else f"{count}, ±{deviation:.4f}"


def _settings(settings: Values) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in settings.items()) or "–"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
