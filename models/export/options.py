"""What a person may say of preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import ExportError


def only(options: Mapping[str, Any], known: Sequence[str], modality: str) -> None:
    """Refuse what would not have an effect. Raises ExportError."""
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ExportError(
            f"`{'`, `'.join(unknown)}` cannot be chosen: the rest of the preprocessing of {modality} "
            "comes from the "
            f"model. Of it, {', '.join(f'`{name}`' for name in known)} can."
        )
