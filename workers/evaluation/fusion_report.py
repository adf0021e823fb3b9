"""What training a fusion reached, as a page in Markdown with plots beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.evaluation.training_report import write_training_report

Values = Mapping[str, Any]


def write_fusion_report(found: Values, folder: Path) -> list[Path]:
    """Loss, and quality beside the fusion in use: by modalities, as features go missing, by people.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: Matplotlib is not installed.
    """
    return write_training_report(found, folder / "fusion.md", "Fusion", [], {})
