"""The topic `models` as the state machine of model versions reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from aiokafka import ConsumerRecord

from models.lifecycle import (
    START,
    Activated,
    Announced,
    Bundle,
    Change,
    Lifecycle,
    ModelRef,
    Refused,
    Wanted,
    Withdrawn,
    apply,
)
from models.lifecycles import Lifecycles, OfUserModels, apply_any
from streams.codec import decode_value, outgoing
from streams.errors import BadInputError, InvalidError
from streams.keys import (
    ACTIVE_MODEL_KEY,
    ACTIVE_USER_MODEL_PREFIX,
    REFUSED_SUFFIX,
    WANTED_MODEL_KEY,
    WANTED_USER_MODEL_PREFIX,
)
from streams.model_messages import (
    ActiveModel,
    ActiveUserModel,
    ModelBundle,
    RefusedModel,
    UserModelBundle,
    WantedModel,
    WantedUserModel,
)
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import MODELS
from workers.topic_follower import TopicFollower

_MAX_REASON_CHARACTERS = 2_000

_log = structlog.get_logger()


def parse_ref(text: str) -> ModelRef:
    """``name@version``, or `settings` for what the settings say.

    Raises:
        InvalidError: It is neither.
    """
    if text == START.name:
        return START
    name, at, version = text.partition("@")
    if not (at and name and version):
        raise InvalidError(f"`{text[:100]}` is no model: write NAME@VERSION, or `settings`")
    return ModelRef(name, version)


def change_of(key: bytes | None, value: bytes | None) -> Change | OfUserModels | None:
    """A record of `models` as a change of versions; None where it says nothing.

    Raises:
        BadInputError: It is against the contract.
    """
    if value is None:
        name = (key or b"").decode(errors="replace")
        # The pointers and refusals are not withdrawn: a null of theirs says nothing.
        if name in (ACTIVE_MODEL_KEY, WANTED_MODEL_KEY) or name.endswith(REFUSED_SUFFIX):
            return None
        if name.startswith((ACTIVE_USER_MODEL_PREFIX, WANTED_USER_MODEL_PREFIX)):
            return None
        return Withdrawn(parse_ref(name))
    match decode_value(value, MODELS):
        case ModelBundle() as one:
            return Announced(_announced(one))
        case UserModelBundle() as one:
            return OfUserModels(one.space, Announced(_announced(one)))
        case WantedModel() as one:
            return Wanted(ModelRef(one.name, one.version))
        case WantedUserModel() as one:
            return OfUserModels(one.space, Wanted(ModelRef(one.name, one.version)))
        case RefusedModel() as one:
            return Refused(ModelRef(one.name, one.version), one.sha256, one.reason)
        case ActiveModel() as one:
            return _activated(one)
        case ActiveUserModel() as one:
            return OfUserModels(one.space, _activated(one))
    return None


def _announced(one: ModelBundle | UserModelBundle) -> Bundle:
    ref = ModelRef(one.name, one.version)
    if ref.name == START.name:
        raise InvalidError(f"`{START.name}` is what the settings say: give the bundle another name")
    return Bundle(ref, one.uri, one.sha256, one.space, one.dimension)


def _activated(one: ActiveModel | ActiveUserModel) -> Activated:
    ref = ModelRef(one.name, one.version)
    bundle = None
    if one.uri is not None and one.sha256 is not None:
        bundle = Bundle(ref, one.uri, one.sha256, one.space, one.dimension)
    elif ref != START:
        raise InvalidError(f"the pointer to `{ref}` does not say where the bundle is")
    previous = None if one.previous is None else parse_ref(one.previous)
    return Activated(ref, one.space, bundle, previous)


def taken(state: Lifecycle, key: bytes | None, value: bytes | None, offset: int) -> Lifecycle:
    """The versions of fusions after a record; one that is against the contract changes nothing."""
    change = _change_if_any(key, value, offset)
    return state if change is None or isinstance(change, OfUserModels) else apply(state, change, offset)


def all_taken(state: Lifecycles, key: bytes | None, value: bytes | None, offset: int) -> Lifecycles:
    """All versions after a record; one that is against the contract changes nothing."""
    change = _change_if_any(key, value, offset)
    return state if change is None else apply_any(state, change, offset)


def _change_if_any(key: bytes | None, value: bytes | None, offset: int) -> Change | OfUserModels | None:
    try:
        return change_of(key, value)
    except BadInputError as error:
        _log.warning("a record of `models` is passed over", offset=offset, error=error.detail)
        return None


class ModelsFollower:
    """Keeps the state of all versions current.

    Args:
        on_change: Called after each batch of records, also those of the start.
    """

    def __init__(
        self,
        settings: Settings,
        topics: TopicNames,
        on_change: Callable[[Lifecycles], None] = lambda state: None,
    ) -> None:
        self.all = Lifecycles()
        self._on_change = on_change
        self._follower = TopicFollower(settings, topics.models, self._take)

    @property
    def lifecycle(self) -> Lifecycle:
        """Of fusions."""
        return self.all.fusions

    async def start(self) -> None:
        """Read what is there; go on in the background."""
        await self._follower.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._follower.stop()

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            self.all = all_taken(self.all, record.key, record.value, record.offset)
        self._on_change(self.all)


def read_lifecycle(settings: Settings) -> Lifecycle:
    """The state of the versions of fusions now; raises as `read_lifecycles`."""
    return read_lifecycles(settings).fusions


def read_lifecycles(settings: Settings) -> Lifecycles:
    """The state of all versions now, for commands.

    Raises:
        ConfigurationError: There is no topic `models`.
        DependencyDownError: Kafka does not answer.
    """
    state = Lifecycles()
    with TopicReader(settings.kafka, TopicNames(settings.topics.prefix).models, "beginning") as reader:
        for record in reader.read_to_end():
            state = all_taken(state, record.key, record.value, record.offset)
    return state


def bundle_record(topics: TopicNames, bundle: Bundle, announced_at: datetime) -> Outgoing:
    """The announcement of a bundle."""
    return outgoing(
        topics.models,
        ModelBundle(
            name=bundle.ref.name,
            version=bundle.ref.version,
            uri=bundle.uri,
            sha256=bundle.sha256,
            space=bundle.space,
            dimension=bundle.dimension,
            announced_at=announced_at,
        ),
    )


def wanted_record(topics: TopicNames, ref: ModelRef, requested_at: datetime) -> Outgoing:
    """The wish that a version serves."""
    return outgoing(topics.models, WantedModel(name=ref.name, version=ref.version, requested_at=requested_at))


def refused_record(topics: TopicNames, bundle: Bundle, reason: str, role: str, at: datetime) -> Outgoing:
    """The refusal of a bundle."""
    return outgoing(
        topics.models,
        RefusedModel(
            name=bundle.ref.name,
            version=bundle.ref.version,
            sha256=bundle.sha256,
            reason=reason[:_MAX_REASON_CHARACTERS].encode(errors="replace").decode(),
            role=role,
            refused_at=at,
        ),
    )


def active_record(
    topics: TopicNames,
    ref: ModelRef,
    space: str,
    dimension: int,
    bundle: Bundle | None,
    previous: ModelRef,
    at: datetime,
) -> Outgoing:
    """The pointer."""
    return outgoing(
        topics.models,
        ActiveModel(
            name=ref.name,
            version=ref.version,
            space=space,
            dimension=dimension,
            activated_at=at,
            uri=None if bundle is None else bundle.uri,
            sha256=None if bundle is None else bundle.sha256,
            previous=str(previous),
        ),
    )
