"""What training a user model reached, as a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.plots import loss_and_recall, new_axes, saved
from workers.evaluation.report import markdown_table

Values = Mapping[str, Any]


def write_user_model_report(found: Values, folder: Path) -> list[Path]:
    """Loss, and quality beside the other user models, of all items and of new ones.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = [
        loss_and_recall(found["losses"], found["validation"], folder / "loss.png"),
        _models(found, folder / "models.png"),
    ]
    page = folder / "user_model.md"
    page.write_text(_page(found, plots), encoding="utf-8")
    return [page, *plots]


def _page(found: Values, plots: list[Path]) -> str:
    run = [
        ("method", found["method"]),
        ("vector space", found["space"]),
        ("split", found["protocol"]),
        ("seed", found["seed"]),
        ("epochs", len(found["losses"])),
        ("sha256 of the data", found["data_sha256"]),
        ("sha256 of the model", found["model_sha256"]),
        ("bytes", found["size_bytes"]),
        ("least cosine of ONNX and PyTorch", found["onnx_cosine"]),
    ]
    columns = ("user model", "recall@20", "ndcg@20")
    parts = [
        f"# User model trained on {found['dataset']}",
        markdown_table(("run", ""), run),
        "Validation, all items that a person had not taken ranked:",
        markdown_table(columns, _rows(found["models"])),
    ]
    if found["new_items"] is not None:
        parts += [
            "Items held out as if they were new, ranked among all; trained once more without them:",
            markdown_table(columns, _rows(found["new_items"])),
        ]
    return "\n\n".join([*parts, *(f"![{path.stem}]({path.name})" for path in plots)]) + "\n"


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
