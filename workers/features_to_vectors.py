"""The fuse role: features in, one fused vector an item out, again whenever another modality arrives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from models.errors import EncoderOutputError
from models.fusion import Fusion
from streams.codec import encode
from streams.driver import Finish
from streams.errors import DefectError
from streams.fields import Modality
from streams.internal_messages import FeatureMessage, ItemVector
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.current_profiles import QUICK_S
from workers.feature_records import VERSION_HEADER
from workers.fenced import FencedRole, Plan
from workers.ports import Delivery, Publisher
from workers.role_metrics import FuseMetrics
from workers.state.item import ItemState, apply, decode_item_state, encode_item_state, item_key
from workers.state.store import MISSING, VERSION_BYTES, StateStore, Write

_log = structlog.get_logger()
_decoder = msgspec.msgpack.Decoder(FeatureMessage)
_Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemPlan(Plan):
    """A plan of items: with the revision of each, and with when it was planned, by the role's clock."""

    revisions: Mapping[str, int] = field(default_factory=dict)
    planned_s: float = 0.0


class ItemFuser(FencedRole):
    """Keeps the features of each item and publishes its vector.

    Args:
        role: Names the fence; it holds the vector space, so that another space starts from the beginning.
        encoders: The encoder in use for each modality; features of others are kept but not fused.
        now_s: The wall clock, seconds since the epoch.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        role: str,
        *,
        fusion: Fusion,
        encoders: dict[Modality, str],
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        metrics: FuseMetrics,
        on_set_back: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(role, store, publisher, on_set_back=on_set_back)
        self._now_s = now_s
        self._clock = clock
        self._fusion = fusion
        self._encoders = encoders
        self._metrics = metrics
        self._vectors_topic = topics.item_vectors(fusion.space)
        self._withdrawn_for_s = math.ceil(settings.topics.delete_retention_hours * 3_600)

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish:
        """See `OverlappingProcessor`."""
        return await self._begun(deliveries)

    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> Plan:
        """Apply the features to their items; every item touched is published as it then is."""
        planned_s = self._clock()
        messages = [_decoder.decode(record.value) for record in records if record.value is not None]
        stored = await self._stored(dict.fromkeys(message.item_id for message in messages))
        states = {item_id: decode_item_state(value) for item_id, value in stored.items()}
        now_ms = round(self._now_s() * 1_000)
        # Transitions ignore what is older than the state, so one already applied needs no care here.
        for message in messages:
            states[message.item_id] = apply(states[message.item_id], message, now_ms)
        writes: list[Write] = []
        for item_id, state in states.items():
            value = stored[item_id]
            encoded = encode_item_state(state)
            if encoded != value:
                expected = MISSING if value is None else value[:VERSION_BYTES]
                expiry = self._withdrawn_for_s if state.withdrawn and not state.features else None
                writes.append(Write(item_key(item_id), expected, encoded, expiry))
        return ItemPlan(
            writes,
            self._vector_records(states),
            revisions={item_id: state.revision for item_id, state in states.items()},
            planned_s=planned_s,
        )

    async def published(self, plan: Plan) -> None:
        """Publish again what went on while the plan's output was late: compaction keeps what comes last."""
        if not isinstance(plan, ItemPlan) or self._clock() - plan.planned_s < QUICK_S:
            return
        revisions = plan.revisions
        while True:
            stored = await self._stored(revisions)
            states = {item_id: decode_item_state(value) for item_id, value in stored.items()}
            # Not what is older: that is a state that was set back, and all of it is read again.
            newer = {one: state for one, state in states.items() if state.revision > revisions[one]}
            if not newer:
                return
            await self._publisher.publish(self._vector_records(newer))
            revisions = {item_id: state.revision for item_id, state in newer.items()}

    def committed(self, plan: Plan) -> None:
        """Count what is published."""
        withdrawn = sum(record.value is None for record in plan.outgoing)
        self._metrics.withdrawn(withdrawn)
        self._metrics.published(len(plan.outgoing) - withdrawn)

    def conflicted(self) -> None:
        """Count the batch that is planned again."""
        self._metrics.conflict()

    async def _stored(self, item_ids: Iterable[str]) -> dict[str, bytes | None]:
        wanted = list(item_ids)
        return dict(zip(wanted, await self.store.load([item_key(one) for one in wanted]), strict=True))

    def _vector_records(self, states: Mapping[str, ItemState]) -> list[Outgoing]:
        """Every declared item as it now is; also where nothing changed, as its output may be owed."""
        declared = {item_id: state for item_id, state in states.items() if state.declared is not None}
        fused = self._fused({item_id: self._features(state) for item_id, state in declared.items()})
        return [
            self._vector_record(item_id, state, vector)
            for (item_id, state), vector in zip(declared.items(), fused, strict=True)
        ]

    def _fused(self, items: Mapping[str, Mapping[Modality, NDArray[np.float32]]]) -> list[_Vector | None]:
        """A vector an item. One that the fusion fails on has none, and keeps back no other."""
        try:
            return self._fusion.fuse_batch(list(items.values()))
        except EncoderOutputError:
            return [self._fused_alone(item_id, features) for item_id, features in items.items()]

    def _fused_alone(self, item_id: str, features: Mapping[Modality, NDArray[np.float32]]) -> _Vector | None:
        try:
            return self._fusion.fuse(features)
        except EncoderOutputError as error:
            _log.warning(
                "an item has no vector: the fusion fails on it",
                item_id=item_id,
                space=self._fusion.space,
                error=str(error),
            )
            return None

    def _features(self, state: ItemState) -> dict[Modality, NDArray[np.float32]]:
        return {
            modality: np.frombuffer(feature.vector, "<f4")
            for modality, feature in state.fusable().items()
            if feature.encoder == self._encoders[modality]
        }

    def _vector_record(self, item_id: str, state: ItemState, vector: NDArray[np.float32] | None) -> Outgoing:
        if state.declared is None:
            raise DefectError(f"item {item_id!r} would be published before it is declared")
        if state.withdrawn:
            # The version tells readers what the withdrawal is newer than.
            header = (VERSION_HEADER, msgspec.msgpack.encode(state.declared))
            return Outgoing(self._vectors_topic, item_id.encode(), None, headers=(header,))
        message = ItemVector(
            item_id=item_id,
            version=state.declared,
            revision=state.revision,
            vector=None if vector is None else vector.astype("<f2").tobytes(),
            modalities=sorted(self._features(state)),
            title=state.title,
            attributes=state.attributes,
            available=state.available,
            created_at=state.created_at,
        )
        return Outgoing(self._vectors_topic, item_id.encode(), encode(message))
