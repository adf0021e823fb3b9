"""The fuse role over the in-memory state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import EncoderOutputError
from models.fusion import EncoderSpec, LinearFusion
from streams.codec import decode_value, encode
from streams.fields import Modality
from streams.internal_messages import FeatureMessage, ItemDeclared, ItemFeature, ItemVector, ItemVersion
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import ITEM_VECTORS
from tests.unit.workers.fakes import FakeDelivery, FakePublisher, record
from workers.feature_records import VERSION_HEADER
from workers.features_to_vectors import ItemFuser
from workers.role_metrics import FuseMetrics
from workers.state.memory_store import MemoryStateStore
from workers.vectors_to_index import IndexUpdater

TOPICS = TopicNames("t.")
ENCODERS: dict[Modality, str] = {"text": "words", "image": "pixels", "audio": "sounds", "video": "films"}


class Bench:
    def __init__(self, *, now_s: float = 1_800_000_000.0, store: MemoryStateStore | None = None) -> None:
        self.store = store or MemoryStateStore()
        self.publisher = FakePublisher()
        self.seconds = 0.0
        self.fusion = LinearFusion(
            {"text": EncoderSpec("words", "t", 128), "image": EncoderSpec("pixels", "i", 64)}
        )
        self.topic = TOPICS.item_vectors(self.fusion.space)
        self.role = ItemFuser(
            "fuse",
            fusion=self.fusion,
            encoders=ENCODERS,
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=Settings(),
            metrics=FuseMetrics(),
            now_s=lambda: now_s,
            clock=lambda: self.seconds,
        )
        self.offset = 0

    async def feed(self, *messages: FeatureMessage) -> list[Outgoing]:
        deliveries = []
        for message in messages:
            deliveries.append(FakeDelivery(self.record(message)))
        await self.role.process(deliveries)
        assert all(one.is_done for one in deliveries)
        return self.publisher.take()

    def record(self, message: FeatureMessage) -> Record:
        self.offset += 1
        return record(TOPICS.item_features, encode(message), key=b"k", offset=self.offset)


def version(offset: int) -> ItemVersion:
    return ItemVersion(1, 0, offset, offset)


def declared(offset: int, withdrawn: bool = False, **attributes: float) -> ItemDeclared:
    return ItemDeclared(
        item_id="a",
        version=version(offset),
        withdrawn=withdrawn,
        title="A",
        attributes=dict(attributes),
        sources={} if withdrawn else {"text": "t", "image": "i"},
    )


def feature(offset: int, modality: Modality, dimension: int, encoder: str = "") -> ItemFeature:
    vector = np.zeros(dimension, "<f4")
    vector[0] = 1.0
    return ItemFeature(
        item_id="a",
        version=version(offset),
        modality=modality,
        encoder=encoder or ENCODERS[modality],
        source_hash=modality[0],
        content_hash=modality[0],
        vector=vector.tobytes(),
    )


def vector_of(sent: Outgoing) -> ItemVector:
    return decode_value(sent.value or b"", ITEM_VECTORS)


async def test_a_vector_grows_as_modalities_arrive() -> None:
    bench = Bench()
    (first,) = await bench.feed(declared(1, price=3.0))
    assert (vector_of(first).vector, vector_of(first).attributes) == (None, {"price": 3.0})
    (second,) = await bench.feed(feature(1, "text", 128))
    (third,) = await bench.feed(feature(1, "image", 64))
    assert vector_of(second).modalities == ["text"]
    assert vector_of(third).modalities == ["image", "text"]
    fused = np.frombuffer(vector_of(third).vector or b"", "<f2").astype(np.float32)
    assert np.linalg.norm(fused) == np.float32(1.0) or abs(np.linalg.norm(fused) - 1) < 1e-3
    assert fused[0] == fused[128] > 0.7


async def test_a_batch_about_one_item_is_one_vector() -> None:
    bench = Bench()
    (sent,) = await bench.feed(declared(1), feature(1, "text", 128), feature(1, "image", 64))
    assert vector_of(sent).modalities == ["image", "text"]


async def test_a_feature_of_an_encoder_that_is_not_in_use_is_not_fused() -> None:
    bench = Bench()
    (sent,) = await bench.feed(declared(1), feature(1, "image", 7, encoder="another"))
    assert vector_of(sent).vector is None


async def test_an_item_that_the_fusion_fails_on_has_no_vector_and_keeps_back_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    fuse_batch = bench.fusion.fuse_batch

    def fails_on_images(batch: Sequence[Mapping[Modality, NDArray[np.float32]]]) -> object:
        if any("image" in features for features in batch):
            raise EncoderOutputError("the fusion gave a vector that is not finite")
        return fuse_batch(batch)

    monkeypatch.setattr(bench.fusion, "fuse_batch", fails_on_images)
    other = [msgspec.structs.replace(one, item_id="b") for one in (declared(3), feature(3, "text", 128))]
    sent = await bench.feed(declared(1), feature(1, "text", 128), feature(1, "image", 64), *other)
    vectors = {one.item_id: one.vector for one in map(vector_of, sent)}
    assert vectors["a"] is None
    assert vectors["b"] is not None


async def test_a_withdrawal_is_a_null_that_says_what_it_is_newer_than() -> None:
    bench = Bench()
    await bench.feed(declared(1), feature(1, "text", 128))
    (sent,) = await bench.feed(declared(2, withdrawn=True))
    assert sent.value is None
    (header,) = sent.headers
    assert header[0] == VERSION_HEADER
    assert msgspec.msgpack.decode(header[1], type=ItemVersion) == version(2)


async def test_a_price_change_keeps_the_vector() -> None:
    bench = Bench()
    await bench.feed(declared(1, price=3.0))
    (before,) = await bench.feed(feature(1, "text", 128))
    (after,) = await bench.feed(declared(2, price=4.0))
    assert vector_of(after).vector == vector_of(before).vector
    assert vector_of(after).attributes == {"price": 4.0}


async def test_the_index_ignores_what_is_older_than_it_has() -> None:
    from models.retrieval import ItemIndex

    bench = Bench()
    (first,) = await bench.feed(declared(1), feature(1, "text", 128))
    (newer,) = await bench.feed(declared(2), feature(2, "text", 128))
    index = ItemIndex(bench.fusion.dimension)
    updater = IndexUpdater(index)
    assert updater.put(vector_of(newer))
    assert not updater.put(vector_of(first))
    assert not updater.remove("a", version(1))
    assert "a" in index
    assert updater.remove("a", version(3))
    assert not updater.put(vector_of(newer))
    assert "a" not in index


async def test_a_store_that_has_lost_its_state_does_not_keep_later_modalities_from_the_index() -> None:
    from models.retrieval import ItemIndex

    before = Bench()
    index = IndexUpdater(ItemIndex(before.fusion.dimension))
    await before.feed(declared(1), feature(1, "text", 128), declared(2), declared(3))
    (held,) = await before.feed(declared(4))
    assert index.take(held.value or b"")

    # What compaction has left of the topic is fewer changes than there were.
    after = Bench(now_s=1_800_000_001.0)
    (again,) = await after.feed(declared(4), feature(1, "text", 128))
    (late,) = await after.feed(feature(4, "image", 64))
    index.take(again.value or b"")
    assert index.take(late.value or b"")


@pytest.mark.parametrize(("late_s", "published"), [(0.5, 1), (7.0, 3)])
@pytest.mark.parametrize("withdrawn", [False, True])
async def test_a_vector_that_is_published_late_is_followed_by_the_newer_one(
    late_s: float, published: int, withdrawn: bool
) -> None:
    """Compaction keeps what comes last, and a worker that starts has nothing else."""
    late = Bench()
    # That of the group which took over, a while later.
    other = Bench(now_s=1_800_000_009.0, store=late.store)
    publish = late.publisher.publish
    changes = [declared(3, withdrawn=withdrawn), declared(2)]

    async def meanwhile(records: Sequence[Outgoing]) -> None:
        if changes:
            # Once while the plan's output is late, and once while what mends it is.
            moved = other.record(changes.pop())
            await other.role.process([FakeDelivery(msgspec.structs.replace(moved, partition=1))])
            late.seconds += late_s
        await publish(records)

    late.publisher.publish = meanwhile  # type: ignore[method-assign]
    sent = await late.feed(declared(1))
    assert len(sent) == published
    if published > 1:
        assert sent[-1] == other.publisher.published[-1]
        assert (sent[-1].value is None) == withdrawn


async def test_a_late_vector_is_not_followed_by_one_of_a_state_that_was_set_back() -> None:
    before, late = Bench(), Bench()
    for bench in (before, late):
        await bench.feed(declared(1))
    publish = late.publisher.publish

    async def meanwhile(records: Sequence[Outgoing]) -> None:
        late.seconds += 7.0
        late.role.store = before.store
        await publish(records)

    late.publisher.publish = meanwhile  # type: ignore[method-assign]
    (sent,) = await late.feed(declared(2))
    assert vector_of(sent).version == version(2)
