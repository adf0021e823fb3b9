"""The models that can be compared, with the settings that validation chooses from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from models.errors import EvaluationInputError
from models.offline.interface import ModelEntry

FUSIONS = {
    "concat": "a linear layer on the concatenation",
    "gated": "Arevalo et al. 2017",
    "attention": "Vaswani et al. 2017",
    "cascade": "stages that refine",
}
"""Trained fusions by method, and where each comes from. All learn alike: InfoNCE on people's items."""
FUSION_NAMES = tuple(f"fusion-{method}" for method in FUSIONS)
SEQUENCE_NAME = "user-sequence"
_NEIGHBOURS = "models.offline.neighbours"
_FACTORS = "models.offline.factors:GraphFactors"

MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(
        name="popularity",
        build="models.offline.popularity:Popularity",
        source="the same list for everybody",
    ),
    ModelEntry(
        name="item-knn",
        build=f"{_NEIGHBOURS}:ItemNeighbours",
        grid=tuple(
            {"neighbours": neighbours, "asymmetry": asymmetry}
            for neighbours in (20, 200, 10_000)
            for asymmetry in (0.5, 1.0)
        ),
        source="Deshpande and Karypis 2004",
    ),
    ModelEntry(
        name="ease",
        build="models.offline.ease:Ease",
        grid=tuple({"regularisation": value} for value in (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)),
        max_items=20_000,
        source="Steck 2019",
    ),
    ModelEntry(
        name="bpr-mf",
        build=_FACTORS,
        grid=tuple({"layers": 0, "weight_decay": value} for value in (0.03, 0.1, 0.3)),
        is_random=True,
        source="Rendle et al. 2009",
    ),
    ModelEntry(
        name="lightgcn",
        build=_FACTORS,
        grid=tuple({"layers": layers} for layers in (2, 3, 4)),
        is_random=True,
        source="He et al. 2020",
    ),
    ModelEntry(
        name="content-walk",
        build="models.offline.content_walk:ContentWalk",
        grid=tuple(
            {"content": content, "popularity": power} for content in (0.0, 0.1) for power in (0.0, 0.2)
        ),
        source="Cooper et al. 2014, with a graph of content as Zhou and Shen 2023",
    ),
    ModelEntry(
        name="trend-walk",
        build="models.offline.trend_walk:TrendWalk",
        source="the content walk in a conditional logit, McFadden 1974",
    ),
)


def _content_neighbours(name: str, modalities: Sequence[str]) -> ModelEntry:
    return ModelEntry(
        name=f"content-knn-{name}",
        build=f"{_NEIGHBOURS}:ContentNeighbours",
        grid=tuple(
            {"modalities": tuple(modalities), "neighbours": neighbours} for neighbours in (10, 50, 200, 1_000)
        ),
        uses_item_ids=False,
        modalities=tuple(modalities),
        source="Deshpande and Karypis 2004, by cosine of content",
    )


def _fusion(method: str) -> ModelEntry:
    return ModelEntry(
        name=f"fusion-{method}",
        build="models.training.offline_fusion:FusionModel",
        grid=({"method": method},),
        is_random=True,
        uses_item_ids=False,
        requires=("torch",),
        source=FUSIONS[method],
    )


LINEAR = ModelEntry(
    name="fusion-linear",
    build="models.offline.fused_means:FusedMeans",
    uses_item_ids=False,
    source="the fusion before anything is learned",
)
_USER_MODELS = "models.offline.user_models"
USER_MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(
        name="user-decayed-mean",
        build=f"{_USER_MODELS}:decayed_mean",
        grid=tuple(
            {"short_share": share, "long_half_life_days": days}
            for share in (0.0, 0.5)
            for days in (30.0, 365.0)
        ),
        uses_item_ids=False,
        source="the taste of the base scorer, by fused content",
    ),
    ModelEntry(
        name="user-multi-interest",
        build=f"{_USER_MODELS}:multi_interest",
        uses_item_ids=False,
        source="Pal et al. 2020, by fused content",
    ),
    ModelEntry(
        name=SEQUENCE_NAME,
        build="models.training.offline_user:SequenceModel",
        is_random=True,
        uses_item_ids=False,
        requires=("torch",),
        source="after Kang and McAuley 2018, by fused content",
    ),
)
"""From a person's history to vectors in the space of items; they need the times of events."""


def entries(modalities: Sequence[str]) -> tuple[ModelEntry, ...]:
    """All models for a data set whose items have these modalities; content neighbours of each, and of all."""
    content = [_content_neighbours(modality, (modality,)) for modality in modalities]
    if len(modalities) > 1:
        content.append(_content_neighbours("all", modalities))
    known = [entry for entry in MODELS if set(entry.modalities) <= set(modalities)]
    fusions = [LINEAR, *(_fusion(method) for method in FUSIONS)] if modalities else []
    people = USER_MODELS if modalities else ()
    return (*known[:2], *content, *known[2:], *fusions, *people)


def with_settings(
    known: Sequence[ModelEntry], names: Collection[str], settings: Mapping[str, Any]
) -> tuple[ModelEntry, ...]:
    """The same models; those of these names have these settings in place of their own."""
    return tuple(
        replace(entry, grid=tuple({**own, **settings} for own in entry.grid))
        if entry.name in names
        else entry
        for entry in known
    )


def chosen_entries(known: Sequence[ModelEntry], names: Collection[str] | None) -> list[ModelEntry]:
    """Those of these names, in the order in which they are known; all where names are None.

    Raises:
        EvaluationInputError: A name is not known.
    """
    if names is None:
        return list(known)
    unknown = [name for name in names if name not in {entry.name for entry in known}]
    if unknown:
        raise EvaluationInputError(
            f"there is no model {', '.join(unknown)} for this data set; there are "
            + ", ".join(entry.name for entry in known)
        )
    return [entry for entry in known if entry.name in names]


def why_left_out(entry: ModelEntry, items: int) -> str | None:
    """Why a model cannot be fitted here, in words; None where it can."""
    missing = [module for module in entry.requires if find_spec(module) is None]
    if missing:
        return f"it needs {', '.join(missing)} (pip install 'freshet[train]')"
    if entry.max_items is not None and items > entry.max_items:
        return f"it takes too much memory for {items:,} items (at most {entry.max_items:,})"
    return None
