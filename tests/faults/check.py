"""One thing that must hold when the faults are over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """What must hold, with its figures; ``holds`` is None where it was not compared."""

    name: str
    holds: bool | None
    figures: dict[str, Any]
