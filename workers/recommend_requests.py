"""What a recommendation request asks of the catalogue, and its answer as a message."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from models.profile import Profile
from models.ranking import ListQuery
from models.retrieval import FilterRange
from streams.errors import BadInputError, ModelFailedError
from streams.messages import (
    Cause,
    FilterValue,
    Range,
    Reason,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
)
from workers.list_makers import MadeList
from workers.query_reader import Asked


def list_query(request: RecommendationRequest, asked: Asked | None = None) -> ListQuery:
    """What the request asks of the catalogue.

    Args:
        asked: What it asks for in words; None where it does not.
    """
    return ListQuery(
        count=request.count,
        seed_items=tuple(request.seed_items),
        candidates=None if request.candidates is None else tuple(request.candidates),
        exclude=tuple(request.exclude),
        filter={name: _filter_value(value) for name, value in request.filter.items()},
        asked=None if asked is None else asked.vector,
    )


def _filter_value(value: FilterValue) -> object:
    return FilterRange(value.min, value.max) if isinstance(value, Range) else value


def is_plain(request: RecommendationRequest) -> bool:
    """Whether the answer is the person's own list, and not a list for one purpose."""
    return not (
        request.seed_items
        or request.candidates is not None
        or request.exclude
        or request.filter
        or has_words(request)
    )


def has_words(request: RecommendationRequest) -> bool:
    """Whether it asks in words."""
    return request.query is not None and not request.query.isspace() and request.query != ""


def recommendation_id(user_id: str, cause: Cause) -> str:
    """The id of the list for a cause: the same whenever and wherever it is made."""
    return blake2b("\x00".join((cause.kind, user_id, cause.id)).encode(), digest_size=16).hexdigest()


def recommendation(
    profile: Profile,
    cause: Cause,
    made: MadeList,
    generated_at: datetime,
    *,
    stale: bool = False,
    explain: bool = False,
    asked: Asked | None = None,
) -> Recommendation:
    """A list as the contract has it."""
    return Recommendation(
        recommendation_id=recommendation_id(profile.user_id, cause),
        user_id=profile.user_id,
        profile_version=profile.version,
        cause=cause,
        items=[
            RecommendedItem(
                item_id=item.item_id,
                score=item.score,
                reasons=[
                    Reason(
                        kind=reason.kind,
                        contribution=reason.contribution,
                        item_id=reason.item_id,
                        modality=reason.modality,
                        action=reason.action,
                    )
                    for reason in item.reasons
                ],
                propensity=item.propensity,
            )
            for item in made.result.items
        ],
        model=made.model,
        generated_at=generated_at,
        complete=made.result.complete,
        shortfall=made.result.shortfall,
        stale=stale,
        experiment=made.experiment,
        arm=made.arm,
        explain=explain,
        query=None if asked is None else asked.answer,
    )


def shortfall_for(error: BadInputError) -> str:
    """Why a refused request gets no items."""
    words = "cannot be answered" if isinstance(error, ModelFailedError) else "is invalid"
    return f"the request {words}: {error.detail}"[:4_096]
