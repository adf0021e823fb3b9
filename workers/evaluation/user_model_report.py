"""What training a user model reached, as a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.plots import new_axes, saved
from workers.evaluation.report import markdown_table
from workers.evaluation.training_report import write_training_report

Values = Mapping[str, Any]


def write_user_model_report(found: Values, folder: Path) -> list[Path]:
    """Loss, and quality beside the one in use and the other user models, of all items and of new ones.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    columns = ("user model", "recall@20", "ndcg@20")
    sections = [
        (
            "Validation, all items that a person had not taken ranked:",
            markdown_table(columns, _rows(found["models"])),
        )
    ]
    if found["new_items"] is not None:
        sections.append(
            (
                "Items held out as if they were new, ranked among all; trained once more without them:",
                markdown_table(columns, _rows(found["new_items"])),
            )
        )
    about = [("vector space", found["space"]), ("split", found["protocol"])]
    plots = {"models.png": _models}
    return write_training_report(found, folder / "user_model.md", "User model", sections, plots, about)


def _rows(models: Mapping[str, Values]) -> list[tuple[str, float, float]]:
    return [(name, own["recall@20"], own["ndcg@20"]) for name, own in models.items()]


def _models(found: Values, path: Path) -> Path:
    drawn, axes = new_axes("Recall@20 of validation by user model")
    names = list(found["models"])[::-1]
    places = range(len(names))
    height = 0.4
    axes.barh(
        [place + height / 2 for place in places], _recalls(found["models"], names), height, label="all items"
    )
    if found["new_items"] is not None:
        new = _recalls(found["new_items"], names)
        axes.barh([place - height / 2 for place in places], new, height, label="new items")
    axes.set_yticks(list(places), names)
    axes.legend()
    return saved(drawn, path)


def _recalls(models: Mapping[str, Values], names: list[str]) -> list[float]:
    return [models[name]["recall@20"] for name in names]
