"""Candidates for tests of re-ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st

from models.reranking import RerankedItem, RerankInput, RerankSettings, Rule, rerank
from models.retrieval.filters import AttributeValue
from models.retrieval.item_filter import ItemFilter

HOUR_MS = 3_600_000
NOW_MS = 1_760_000_000_000


def candidates(
    scores: Sequence[float],
    *,
    vectors: Sequence[Sequence[float]] | None = None,
    attributes: Sequence[Mapping[str, AttributeValue]] | None = None,
    positives: Sequence[int] | None = None,
    hours_ago: Mapping[int, float] | None = None,
) -> RerankInput:
    """Candidates named after their position; without vectors, attributes and repeats, none of them new."""
    size = len(scores)
    given = np.zeros((size, 2)) if vectors is None else np.array(vectors, np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    known: Sequence[Mapping[str, AttributeValue]] = attributes or [{} for _ in range(size)]
    return RerankInput(
        item_ids=tuple(f"item-{position}" for position in range(size)),
        scores=np.array(scores, np.float64),
        vectors=(given / np.where(lengths > 0, lengths, 1)).astype(np.float32),
        hashes=np.arange(size, dtype=np.uint64),
        attributes=known.__getitem__,
        positives=np.full(size, 1_000) if positives is None else np.array(positives, np.int64),
        shown_ms={
            f"item-{position}": round(NOW_MS - hours * HOUR_MS)
            for position, hours in (hours_ago or {}).items()
        },
        now_ms=NOW_MS,
    )


def reranked(one: RerankInput, count: int, settings: RerankSettings, seed: int = 0) -> list[RerankedItem]:
    """As `rerank`, by a seed."""
    return rerank(one, count, settings, np.random.default_rng(seed))


def positions(one: RerankInput, count: int, settings: RerankSettings, seed: int = 0) -> list[int]:
    """Of the list's items, in its order."""
    return [item.position for item in reranked(one, count, settings, seed)]


@st.composite
def any_candidates(draw: st.DrawFn) -> RerankInput:
    """Up to 30 candidates; some without vector or attributes, some new, some shown before."""
    size = draw(st.integers(0, 30))
    scores = sorted(
        draw(st.lists(st.floats(-3, 3) | st.just(1.0), min_size=size, max_size=size)), reverse=True
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    colours = ["red", "green", "blue"]
    return candidates(
        scores,
        vectors=random.normal(size=(size, 3)) * (random.random((size, 1)) < 0.8),
        attributes=[
            {
                "colour": colours[random.integers(3)],
                "tags": [str(tag) for tag in random.integers(5, size=random.integers(3))],
            }
            if random.random() < 0.9
            else {}
            for _ in range(size)
        ],
        positives=random.integers(0, 10, size),
        hours_ago={position: random.uniform(0, 48) for position in range(size) if random.random() < 0.4},
    )


colour_rules = st.builds(
    lambda colour, effect, amount: Rule(
        ItemFilter({"colour": colour}), effect, 0.0 if effect == "pin" else amount
    ),
    st.sampled_from(["red", "green", "blue", "none has it"]),
    st.sampled_from(["pin", "boost", "bury"]),
    st.floats(0.1, 3),
)
any_settings = st.builds(
    RerankSettings,
    diversity=st.just(0.0) | st.floats(0, 1),
    diversity_by=st.sampled_from([(), ("colour",), ("tags", "colour"), ("none has it",)]),
    max_per_attribute=st.dictionaries(st.sampled_from(["colour", "tags"]), st.integers(1, 4)),
    no_repeat_hours=st.just(0.0) | st.floats(0, 48),
    rules=st.lists(colour_rules, max_size=3).map(tuple),
    new_item_slots=st.integers(0, 20),
    new_item_events=st.integers(1, 8),
    exploration=st.sampled_from(["none", "epsilon", "softmax"]),
    epsilon=st.floats(0, 1),
    temperature=st.floats(0.001, 10),
    uncertainty=st.floats(0, 2),
    exploration_candidates=st.integers(1, 40),
)
