"""What a list says of an item, as facts: all that words may be made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from streams.fields import Attributes, AttributeValue
from streams.messages import Reason, RecommendedItem
from workers.explaining.display_text import display_text

TITLE_CHARACTERS: Final = 80
ATTRIBUTE_CHARACTERS: Final = 40
VALUES_OF_ATTRIBUTE: Final = 4
NAMED_REASONS: Final = 4
CATEGORY_ATTRIBUTES: Final = ("category", "genre", "type", "kind")
# They say nothing that a person could use: a constant, and places taken away.
SILENT_KINDS: Final = frozenset({"bias", "cap", "bury", "refined"})
# Moves by re-ranking that are themselves why an item is here; their contribution is 0.
# What they say by their name, they say where they add by their amount alone. A ranker that learns may find
# that little popularity, or great age, speaks for an item.
DIRECTED_KINDS: Final = frozenset({"popularity", "trend", "freshness"})
DECISIVE_MOVES: Final = ("pin", "exploration", "new_item")
_MODALITIES: Final = frozenset({"text", "image", "audio", "video"})


@dataclass(frozen=True, slots=True)
class ReasonFact:
    """One reason.

    Attributes:
        kind: Its family, such as `covisitation`, without what stands after a dot.
        share: Its part of all that speaks for the item, 0 to 1; 0 for a move by re-ranking.
        title: Of the other item that it names; empty where it names none, or none that is known.
        category: Of that other item.
        action: What the person did with that other item.
        modality: What the likeness was seen in.
    """

    kind: str
    share: float
    title: str = ""
    category: str = ""
    action: str | None = None
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item of a list, cleaned: safe to show, short, and in the order in which its reasons count."""

    item_id: str
    title: str = ""
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    category: str = ""
    reasons: tuple[ReasonFact, ...] = ()


class ItemText(Protocol):
    """What is known of an item."""

    @property
    def title(self) -> str:
        """As its publisher wrote it."""

    @property
    def attributes(self) -> Attributes:
        """Likewise."""


def item_facts(
    item: RecommendedItem,
    find: Callable[[str], ItemText | None],
    attribute_names: Sequence[str],
    *,
    is_directed: bool = False,
) -> ItemFacts:
    """The facts of a listed item.

    Args:
        find: What is known of an item by its id, None where it is not known.
        attribute_names: Those that words may mention.
        is_directed: Whether what popularity, trend and freshness add grows with them.
    """
    known = find(item.item_id)
    reasons = _reason_facts(item.reasons, find, is_directed=is_directed)
    if known is None:
        return ItemFacts(item.item_id, reasons=reasons)
    title, attributes = words_of(known, attribute_names)
    return ItemFacts(
        item_id=item.item_id,
        title=title,
        attributes=attributes,
        category=_category(known.attributes),
        reasons=reasons,
    )


def words_of(known: ItemText, attribute_names: Sequence[str]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """An item's title and those of its attributes, cleaned: safe to show, and short."""
    attributes = {
        name: values
        for name in attribute_names
        if name in known.attributes and (values := _shown(known.attributes[name]))
    }
    return display_text(known.title, TITLE_CHARACTERS), attributes


def _reason_facts(
    reasons: Sequence[Reason], find: Callable[[str], ItemText | None], *, is_directed: bool
) -> tuple[ReasonFact, ...]:
    """What speaks for the item: decisive moves, then by contribution, then other moves."""
    total = math.fsum(one.contribution for one in reasons if one.contribution > 0) or 1.0
    speaking = [one for one in reasons if one.contribution >= 0 and _family(one) not in SILENT_KINDS]
    ordered = sorted(speaking, key=_rank)[:NAMED_REASONS]
    facts = (_reason_fact(one, total, find) for one in ordered)
    return tuple(
        one if is_directed or one.kind not in DIRECTED_KINDS else replace(one, kind=f"{one.kind}_signal")
        for one in facts
    )


def _rank(reason: Reason) -> tuple[int, float]:
    if reason.contribution == 0:
        return (0, 0.0) if _family(reason) in DECISIVE_MOVES else (2, 0.0)
    return (1, -reason.contribution)


def _family(reason: Reason) -> str:
    return reason.kind.partition(".")[0]


def _reason_fact(reason: Reason, total: float, find: Callable[[str], ItemText | None]) -> ReasonFact:
    family, _, detail = reason.kind.partition(".")
    other = None if reason.item_id is None else find(reason.item_id)
    return ReasonFact(
        kind=family,
        share=min(1.0, reason.contribution / total),
        title="" if other is None else display_text(other.title, TITLE_CHARACTERS),
        category="" if other is None else _category(other.attributes),
        action=reason.action,
        modality=reason.modality or (detail if detail in _MODALITIES else None),
    )


def _category(attributes: Attributes) -> str:
    for name in CATEGORY_ATTRIBUTES:
        value = attributes.get(name)
        if isinstance(value, str) and (text := display_text(value, ATTRIBUTE_CHARACTERS)):
            return text
    return ""


def _shown(value: AttributeValue) -> tuple[str, ...]:
    """A value as words; yes and no say nothing without the attribute's meaning."""
    if isinstance(value, bool):
        return ()
    if isinstance(value, int | float):
        return (f"{value:g}",)
    values = value if isinstance(value, list) else [value]
    texts = (display_text(one, ATTRIBUTE_CHARACTERS) for one in values[:VALUES_OF_ATTRIBUTE])
    return tuple(text for text in texts if text)
