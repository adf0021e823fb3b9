"""All sources of candidates by name, in the order of `models.cascade.settings.SOURCES`."""

from __future__ import annotations

from collections.abc import Mapping

from models.sources import (
    covisitation,
    interests,
    item2vec,
    new_items,
    own_items,
    query,
    regression,
    sequence,
    sessions,
    stage,
    trending,
    trending_segment,
    user_model,
)
from models.sources.source import Source

REGISTRY: Mapping[str, Source] = {
    "interests": interests.propose,
    "covisitation": covisitation.propose,
    "sequence": sequence.propose,
    "item2vec": item2vec.propose,
    "regression": regression.propose,
    "sessions": sessions.propose,
    "stage": stage.propose,
    "trending": trending.propose,
    "new_items": new_items.propose,
    "own_items": own_items.propose,
    "trending_segment": trending_segment.propose,
    "query": query.propose,
    "user_model": user_model.propose,
}
