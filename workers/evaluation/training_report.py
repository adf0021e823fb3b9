"""What a training reached, as a page in Markdown with plots beside it: what all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.evaluation.plots import loss_and_recall
from workers.evaluation.report import markdown_table

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
    """Write how it was trained, loss by epoch, and what is measured of this kind of model.

    Args:
        found: What the training returned, with the name of its data set.
        page: The file; plots are written beside it.
        title: What was trained.
        sections: A sentence, and the table that it is about, as Markdown.
        plots: File → what draws it.
        about: Further rows on the run.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    drawn = [draw(found, page.with_name(file)) for file, draw in {"loss.png": _losses, **plots}.items()]
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
        *(part for section in sections for part in section),
        *(f"![{path.stem}]({path.name})" for path in drawn),
    ]
    page.write_text("\n\n".join(part.rstrip() for part in parts) + "\n", encoding="utf-8")
    return [page, *drawn]


def _losses(found: Values, path: Path) -> Path:
    return loss_and_recall(found["losses"], found["validation"], path)
