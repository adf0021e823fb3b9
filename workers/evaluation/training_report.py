"""What a training reached, as a page in Markdown with plots beside it: what all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.evaluation.comparison_tables import (
    CALIBRATION_COLUMNS,
    COLUMNS,
    beside_each_other,
    calibration_rows,
    comparison_rows,
    missing_rows,
    models_of,
    why_not_compared,
)
from workers.evaluation.plots import loss_and_recall
from workers.evaluation.report import markdown_table
from workers.evaluation.training_plots import PLOTS

Values = Mapping[str, Any]
Draw = Callable[[Values, Path], Path]
"""Draws a plot of what was found into a file, and returns the file."""


def write_training_report(
    found: Values,
    page: Path,
    title: str,
    sections: Sequence[tuple[str, str]],
    plots: Mapping[str, Draw],
    about: Sequence[tuple[str, object]] = (),
) -> list[Path]:
    """Write how it was trained, loss by epoch, what was measured beside the model in use, and what is more.

    Args:
        found: What the training returned, with the name of its data set.
        page: The file; plots are written beside it.
        title: What was trained.
        sections: Of this kind of model: a sentence, and the table that it is about, as Markdown.
        plots: Likewise: file → what draws it.
        about: Further rows on the run.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    drawn = [
        draw(found, page.with_name(file)) for file, draw in {"loss.png": _losses, **PLOTS, **plots}.items()
    ]
    run = [
        ("method", found["method"]),
        *about,
        ("seed", found["seed"]),
        ("epochs", len(found["losses"])),
        ("sha256 of the data", found["data_sha256"]),
        ("sha256 of the model", found["model_sha256"]),
        ("bytes", found["size_bytes"]),
        ("least cosine of ONNX and PyTorch", found["onnx_cosine"]),
    ]
    parts = [
        f"# {title} trained on {found['dataset']}",
        markdown_table(("run", ""), run),
        *(part for section in [*_compared(found), *sections] for part in section),
        *(f"![{path.stem}]({path.name})" for path in drawn),
    ]
    page.write_text("\n\n".join(part.rstrip() for part in parts) + "\n", encoding="utf-8")
    return [page, *drawn]


def _compared(found: Values) -> list[tuple[str, str]]:
    names = list(models_of(found))
    people = found["comparison"]["people"]
    return [
        (
            why_not_compared(found) or f"Beside the model in use, on validation ({people:,} people):",
            markdown_table(COLUMNS, comparison_rows(found)),
        ),
        (
            "Recall@20 of validation, by modalities that are served:",
            markdown_table(("modalities", *names), beside_each_other(found, "subsets")),
        ),
        (
            "Recall@20 as features go missing, each of each item with the same chance:",
            markdown_table(("missing", *names), missing_rows(found)),
        ),
        (_calibration_told(found), markdown_table(CALIBRATION_COLUMNS, calibration_rows(found))),
    ]


def _calibration_told(found: Values) -> str:
    told = [
        f"{name}: p = 1 / (1 + exp(−({one['slope']:.2f} s {one['intercept']:+.2f}))), "
        f"expected calibration error {one['ece']:.5f} of a rate of {one['rate']:.5f}"
        for name, values in models_of(found).items()
        if (one := values["calibration"]) is not None
    ]
    if not told:
        return "Calibration: too few people took anything to tell."
    return (
        "Calibration: a score s made a probability p on half of the people, and the share of items that the "
        f"others took. {'; '.join(told)}."
    )


def _losses(found: Values, path: Path) -> Path:
    return loss_and_recall(found["losses"], found["validation"], path)
