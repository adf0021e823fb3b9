"""What is written to `models` of user models. See `workers.models_topic` for how it is read."""

from __future__ import annotations

from datetime import datetime

from models.lifecycle import Bundle, ModelRef
from streams.codec import outgoing
from streams.model_messages import ActiveUserModel, UserModelBundle, WantedUserModel
from streams.records import Outgoing
from streams.topic_names import TopicNames


def user_bundle_record(topics: TopicNames, bundle: Bundle, announced_at: datetime) -> Outgoing:
    """The announcement of a user model."""
    return outgoing(
        topics.models,
        UserModelBundle(
            name=bundle.ref.name,
            version=bundle.ref.version,
            uri=bundle.uri,
            sha256=bundle.sha256,
            space=bundle.space,
            dimension=bundle.dimension,
            announced_at=announced_at,
        ),
    )


def wanted_user_record(topics: TopicNames, ref: ModelRef, space: str, requested_at: datetime) -> Outgoing:
    """The wish that a user model serves in a space."""
    message = WantedUserModel(name=ref.name, version=ref.version, space=space, requested_at=requested_at)
    return outgoing(topics.models, message)


def active_user_record(
    topics: TopicNames,
    ref: ModelRef,
    space: tuple[str, int],
    bundle: Bundle | None,
    previous: ModelRef,
    at: datetime,
) -> Outgoing:
    """The pointer of a space, which is given by name and dimension."""
    return outgoing(
        topics.models,
        ActiveUserModel(
            name=ref.name,
            version=ref.version,
            space=space[0],
            dimension=space[1],
            activated_at=at,
            uri=None if bundle is None else bundle.uri,
            sha256=None if bundle is None else bundle.sha256,
            previous=str(previous),
        ),
    )
