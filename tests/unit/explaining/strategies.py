"""Hypothesis strategies: lists as any ranker might make them, of items as anybody might publish them."""

from __future__ import annotations

from hypothesis import strategies as st

from streams.fields import MODALITIES
from streams.messages import Reason, RecommendedItem
from tests.unit.explaining.hostile_text import HOSTILE_TEXTS
from tests.unit.explaining.samples import KINDS, listed
from workers.vectors_to_titles import KnownItem

LANGUAGES = ("en", "de", "zh")
ITEM_IDS = ("a", "b", "c", "unknown")
ACTIONS = ("view", "click", "play", "like", "dislike", "skip", "add_to_cart", "purchase", "rate", "hum")

texts = st.one_of(st.text(max_size=120), st.sampled_from([one.text for one in HOSTILE_TEXTS]))
categories = st.one_of(st.sampled_from(["book", "鞋", "Lampe", "Home & Garden", ""]), texts)
known_items = st.builds(
    lambda title, category, tags: KnownItem(title, {"category": category, "tags": tags}),
    texts,
    categories,
    st.lists(texts, max_size=3),
)
catalogues = st.fixed_dictionaries(dict.fromkeys(ITEM_IDS[:-1], known_items))
kinds = st.one_of(
    st.sampled_from(KINDS),
    st.builds("content.{}".format, st.sampled_from(MODALITIES)),
    st.text(min_size=1, max_size=64),
)
reasons = st.builds(
    Reason,
    kind=kinds,
    contribution=st.one_of(st.just(0.0), st.floats(-2, 2)),
    item_id=st.none() | st.sampled_from(ITEM_IDS),
    modality=st.none() | st.sampled_from(MODALITIES),
    action=st.none() | st.sampled_from(ACTIONS),
)


@st.composite
def listed_items(draw: st.DrawFn) -> RecommendedItem:
    return listed(draw(st.sampled_from(ITEM_IDS)), *draw(st.lists(reasons, max_size=8)))
