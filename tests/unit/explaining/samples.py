"""Items, reasons and lists for tests of explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.messages import Cause, Reason, Recommendation, RecommendedItem
from tests.unit.workers.fakes import NOW
from workers.explaining.facts import ItemFacts, ReasonFact, item_facts
from workers.vectors_to_titles import KnownItem

# Every kind that the rankers write, with what it may carry, and one that nobody knows.
KINDS = (
    "similar_item",
    "history",
    "taste",
    "seed_item",
    "popularity",
    "trend",
    "freshness",
    "covisitation",
    "content",
    "item2vec",
    "sequence",
    "context",
    "model",
    "sessions",
    "regression",
    "new_item",
    "exploration",
    "diversity",
    "pin",
    "boost",
    "bias",
    "cap",
    "bury",
    "something_of_next_year",
)
ATTRIBUTES = ("category", "tags", "brand")


def known(title: str, **attributes: Any) -> KnownItem:
    return KnownItem(title, attributes)


def facts_of(
    item: RecommendedItem,
    catalogue: Mapping[str, KnownItem],
    attributes: tuple[str, ...] = ATTRIBUTES,
    *,
    is_directed: bool = True,
) -> ItemFacts:
    return item_facts(item, catalogue.get, attributes, is_directed=is_directed)


def listed(item_id: str, *reasons: Reason) -> RecommendedItem:
    return RecommendedItem(
        item_id=item_id, score=sum(one.contribution for one in reasons), reasons=list(reasons)
    )


def recommendation(
    *items: RecommendedItem, user: str = "anna", number: int = 0, **fields: Any
) -> Recommendation:
    return Recommendation(
        **{
            "recommendation_id": f"list-{user}-{number}",
            "user_id": user,
            "profile_version": 3,
            "cause": Cause(kind="request", id=f"request-{number}"),
            "items": list(items),
            "model": "test",
            "generated_at": NOW,
            "complete": True,
            **fields,
        }
    )


LAMP = ItemFacts(
    "lamp-1",
    "Reading lamp",
    {"category": ("lamp",), "brand": ("Lumen",)},
    "lamp",
    (
        ReasonFact("similar_item", 0.6, "Desk lamp, brass", "lamp", "purchase"),
        ReasonFact("popularity", 0.3),
    ),
)
