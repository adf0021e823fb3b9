"""What training a fusion reached, as a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.plots import loss_and_recall, new_axes, saved
from workers.evaluation.report import markdown_table

Values = Mapping[str, Any]


def write_fusion_report(found: Values, folder: Path) -> list[Path]:
    """Loss, quality by modalities that are served, and as features go missing.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = [
        loss_and_recall(found["losses"], found["validation"], folder / "loss.png"),
        _subsets(found, folder / "modalities.png"),
        _missing(found, folder / "missing.png"),
    ]
    page = folder / "fusion.md"
    page.write_text(_page(found, plots), encoding="utf-8")
    return [page, *plots]


def _page(found: Values, plots: list[Path]) -> str:
    run = [
        ("method", found["method"]),
        ("seed", found["seed"]),
        ("epochs", len(found["losses"])),
        ("sha256 of the data", found["data_sha256"]),
        ("sha256 of the model", found["model_sha256"]),
        ("bytes", found["size_bytes"]),
        ("least cosine of ONNX and PyTorch", found["onnx_cosine"]),
    ]
    missing = [(f"{float(share):.0%}", value) for share, value in found["missing"].items()]
    parts = [
        f"# Fusion trained on {found['dataset']}",
        markdown_table(("run", ""), run),
        "Recall@20 of validation, by modalities that are served:",
        markdown_table(("modalities", "recall@20"), list(found["subsets"].items())),
        "As features go missing, each of each item with the same chance:",
        markdown_table(("missing", "recall@20"), missing),
        *(f"![{path.stem}]({path.name})" for path in plots),
    ]
    return "\n\n".join(parts) + "\n"


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
