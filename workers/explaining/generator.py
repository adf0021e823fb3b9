"""What writes the words of a list, as the explain role sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from workers.explaining.facts import ItemFacts
from workers.explaining.templates import NAME, TemplateWriter

How = Literal[
    "template", "accepted", "retried", "cached", "refused", "unavailable", "late", "suspicious", "beyond"
]


@dataclass(frozen=True, slots=True)
class Written:
    """The words of a list.

    Attributes:
        texts: One for each item.
        how: How each came about.
        generator: What wrote them.
        grounded: Whether every word is accounted for by the facts.
    """

    texts: tuple[str, ...]
    how: tuple[How, ...]
    generator: str
    grounded: bool


class Generator(Protocol):
    """Writes words."""

    async def write(self, items: Sequence[ItemFacts], user_id: str) -> Written:
        """Words for each item of a list. Raises nothing but what is a defect."""


class TemplateGenerator:
    """Templates alone."""

    def __init__(self, templates: TemplateWriter) -> None:
        self._templates = templates

    async def write(self, items: Sequence[ItemFacts], user_id: str) -> Written:
        """See `Generator.write`."""
        texts = tuple(self._templates.write_all(items))
        how: list[How] = ["template"] * len(texts)
        return Written(texts, tuple(how), NAME, grounded=True)
