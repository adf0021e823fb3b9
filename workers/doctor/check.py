"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, what was seen, and what to do about it (empty where it is ``ok``)."""

    area: str
    status: Status
    found: str
    advice: str = ""
