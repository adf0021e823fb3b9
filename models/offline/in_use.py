"""The model that serves now, for a new one to be compared with."""

from __future__ import annotations

from dataclasses import dataclass

from models.offline.interface import ContentModel


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """What settings name.

    Attributes:
        name: For people.
        model: Not fitted yet; None where it cannot be compared.
        reason: Why it cannot; "" where it can.
    """

    name: str
    model: ContentModel | None
    reason: str = ""


NOTHING_IN_USE = ModelInUse("nothing", None, "no model in use was named")
