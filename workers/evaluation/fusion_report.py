"""What training a fusion reached, as a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.plots import new_axes, saved
from workers.evaluation.report import markdown_table
from workers.evaluation.training_report import write_training_report

Values = Mapping[str, Any]


def write_fusion_report(found: Values, folder: Path) -> list[Path]:
    """Loss, quality by modalities that are served, and as features go missing.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    missing = [(f"{float(share):.0%}", value) for share, value in found["missing"].items()]
    sections = [
        (
            "Recall@20 of validation, by modalities that are served:",
            markdown_table(("modalities", "recall@20"), list(found["subsets"].items())),
        ),
        (
            "As features go missing, each of each item with the same chance:",
            markdown_table(("missing", "recall@20"), missing),
        ),
    ]
    plots = {"modalities.png": _subsets, "missing.png": _missing}
    return write_training_report(found, folder / "fusion.md", "Fusion", sections, plots)


def _subsets(found: Values, path: Path) -> Path:
    drawn, axes = new_axes("Recall@20 of validation by modalities served")
    names = list(found["subsets"])[::-1]
    axes.barh(names, [found["subsets"][name] for name in names])
    return saved(drawn, path)


def _missing(found: Values, path: Path) -> Path:
    drawn, axes = new_axes("Recall@20 of validation as features go missing")
    axes.plot([float(share) for share in found["missing"]], list(found["missing"].values()), marker=".")
    axes.set_xlabel("share of features missing")
    axes.set_ylim(bottom=0)
    return saved(drawn, path)
