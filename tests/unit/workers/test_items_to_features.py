"""The encode roles over fakes: what is declared, encoded, left alone or refused."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np

from streams.codec import decode_value, encode
from streams.errors import DependencyDownError, MediaUnreadableError
from streams.fields import Modality
from streams.internal_messages import ItemDeclared, ItemFeature, ItemFeatureFailed
from streams.messages import DeadLetter, Item, Media
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, ITEM_FEATURES
from tests.unit.workers.fakes import FakeDelivery, FakePublisher, now, record
from workers.items_to_features import MAX_FETCHED_BYTES, PARSE_INLINE_BYTES, ItemEncoder
from workers.micro_batcher import MicroBatcher
from workers.role_metrics import EncodeMetrics
from workers.state.item import ItemState, apply, encode_item_state, item_key
from workers.state.memory_store import MemoryStateStore
from workers.state.store import MISSING, StateChange, Write

TOPICS = TopicNames("t.")
SETTINGS = Settings()


class FakeMedia:
    """Bytes are the base64 inline; 'broken' cannot be decoded; a URI waits until `release`."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.fetching = 0
        self.decoded = 0
        self.outages = 0

    async def fetch(self, media: Media) -> bytes:
        if self.outages:
            self.outages -= 1
            raise DependencyDownError("storage is away")
        if media.uri is not None:
            self.fetching += 1
            await self.release.wait()
            return media.uri.encode()
        return base64.b64decode(media.data or "")

    async def decode(self, data: bytes) -> Any:
        if data == b"broken":
            raise MediaUnreadableError("not a picture")
        self.decoded += 1
        return data


def encode_fake(batch: Sequence[Any]) -> np.ndarray:
    if any(value in (b"poison", "poison") for value in batch):
        raise RuntimeError("the network failed")
    return np.array([[float(len(value)), 1.0] for value in batch], np.float32)


class Bench:
    def __init__(self, modality: Modality) -> None:
        self.store = MemoryStateStore()
        self.publisher = FakePublisher()
        self.media = FakeMedia()
        self.role = ItemEncoder(
            modality=modality,
            encoder_name=SETTINGS.encoders.name_for(modality),
            dimension=2,
            batcher=MicroBatcher(encode_fake, max_batch=8, max_wait_s=0.0),
            read_text=(lambda item: item.title) if modality == "text" else None,
            media=None if modality == "text" else self.media,
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=SETTINGS,
            now=now,
            metrics=EncodeMetrics(modality),
        )

    async def feed(self, *records: Record, until_done: bool = True) -> list[FakeDelivery]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)
        while until_done and not all(one.is_done for one in deliveries):
            await asyncio.sleep(0.001)
        return deliveries

    def features(self) -> list[Any]:
        return [value(one) for one in self.publisher.on(TOPICS.item_features) if one.value is not None]

    def letters(self) -> list[DeadLetter]:
        sent = self.publisher.on(TOPICS.dead_letters)
        return [decode_value(one.value or b"", DEAD_LETTERS) for one in sent]

    async def remember(self, *messages: Any) -> None:
        """What the fuse role would have stored."""
        state = ItemState()
        for message in messages:
            state = apply(state, message)
        write = Write(item_key(messages[0].item_id), MISSING, encode_item_state(state))
        await self.store.commit("fuse", StateChange(writes=[write]))


def value(of: Outgoing) -> Any:
    return decode_value(of.value or b"", ITEM_FEATURES)


@asynccontextmanager
async def bench(modality: Modality) -> AsyncIterator[Bench]:
    made = Bench(modality)
    await made.role.start()
    yield made
    await made.role.stop()


def item(offset: int = 0, item_id: str = "a", **fields: Any) -> Record:
    message = Item(item_id=item_id, **fields)
    return record(TOPICS.items, encode(message), key=item_id.encode(), offset=offset)


def picture(data: bytes = b"picture") -> list[Media]:
    return [Media(kind="image", data=base64.b64encode(data).decode())]


async def test_the_text_role_declares_and_encodes() -> None:
    async with bench("text") as text:
        await text.feed(item(5, title="Blue boots", media=picture(), attributes={"price": 3.5}))
        declared, feature = text.features()
        assert isinstance(declared, ItemDeclared)
        assert set(declared.sources) == {"text", "image"}
        assert declared.attributes == {"price": 3.5}
        assert (declared.version.generation, declared.version.offset) == (1, 5)
        assert isinstance(feature, ItemFeature)
        assert np.frombuffer(feature.vector, "<f4").tolist() == [10.0, 1.0]
        assert feature.source_hash == declared.sources["text"]


async def test_each_role_takes_its_own_media_alone() -> None:
    records = [item(0, "a", title="only text"), item(1, "b", media=picture())]
    async with bench("image") as image, bench("audio") as audio:
        await image.feed(*records)
        await audio.feed(*records)
        (feature,) = image.features()
        assert feature.item_id == "b"
        assert audio.publisher.published == []


async def test_items_of_others_are_given_back_on_the_event_loop_also_where_they_are_large() -> None:
    threads: list[threading.Thread] = []

    class Noting(FakeDelivery):
        def done(self) -> None:
            threads.append(threading.current_thread())

    invalid = record(TOPICS.items, b"{" + bytes(PARSE_INLINE_BYTES), key=b"b", offset=1)
    async with bench("image") as image:
        await image.role.process([Noting(item(0, description="x" * 200_000)), Noting(invalid)])
    assert threads == [threading.current_thread()] * 2


async def test_only_the_text_role_reports_an_invalid_item() -> None:
    bad = [record(TOPICS.items, b"{", key=b"a"), record(TOPICS.items, b'{"item_id":"b"}', key=b"a", offset=1)]
    async with bench("text") as text, bench("image") as image:
        await text.feed(*bad, item(2, "good", title="fine"))
        await image.feed(*bad)
        assert sorted(letter.reason for letter in text.letters()) == ["key_mismatch", "malformed"]
        assert image.publisher.published == []
        assert any(isinstance(one, ItemFeature) and one.item_id == "good" for one in text.features())


async def test_what_cannot_be_decoded_is_a_dead_letter_and_voids_the_older_picture() -> None:
    async with bench("image") as image:
        await image.feed(item(0, "bad", media=picture(b"broken")), item(1, "good", media=picture()))
        (letter,) = image.letters()
        assert (letter.reason, letter.stage, letter.source.offset) == ("media_unreadable", "encode-image", 0)
        kinds = {one.item_id: type(one) for one in image.features()}
        assert kinds == {"bad": ItemFeatureFailed, "good": ItemFeature}


async def test_a_network_that_fails_on_one_input_costs_that_one() -> None:
    async with bench("image") as image:
        await image.feed(
            *[item(i, f"i{i}", media=picture(b"poison" if i == 3 else b"fine")) for i in range(8)]
        )
        (letter,) = image.letters()
        assert (letter.reason, letter.source.offset) == ("model_failed", 3)
        assert sum(isinstance(one, ItemFeature) for one in image.features()) == 7


async def test_a_picture_that_has_not_changed_is_not_encoded_again() -> None:
    first = item(0, media=picture(), attributes={"price": 1})
    second = item(1, media=picture(), attributes={"price": 2})
    async with bench("text") as text, bench("image") as image:
        await text.feed(first)
        await image.feed(first)
        await image.remember(*text.features(), *image.features())
        before = image.media.decoded
        await image.feed(second)
        assert image.media.decoded == before == 1
        old, new = image.features()
        assert (new.version.offset, new.vector) == (1, old.vector)


async def test_a_slow_download_holds_back_its_own_item_alone() -> None:
    slow = item(0, "slow", media=[Media(kind="image", uri="https://example.org/a.png")])
    async with bench("image") as image:
        deliveries = await image.feed(slow, item(1, "quick", media=picture()), until_done=False)
        while not deliveries[1].is_done:
            await asyncio.sleep(0.001)
        assert not deliveries[0].is_done
        image.media.release.set()
        while not deliveries[0].is_done:
            await asyncio.sleep(0.001)
        assert {one.item_id for one in image.features()} == {"slow", "quick"}


async def test_what_is_fetched_and_not_decoded_is_bounded() -> None:
    most = MAX_FETCHED_BYTES // SETTINGS.media.image_max_bytes
    slow = [
        item(n, f"slow-{n}", media=[Media(kind="image", uri=f"https://example.org/{n}.png")])
        for n in range(most + 9)
    ]
    async with bench("image") as image:
        deliveries = await image.feed(*slow, item(999, "quick", media=picture()), until_done=False)
        while not deliveries[-1].is_done:
            await asyncio.sleep(0.001)
        assert image.media.fetching == most
        image.media.release.set()
        while not all(one.is_done for one in deliveries):
            await asyncio.sleep(0.001)
        assert len(image.features()) == most + 10


async def test_storage_that_is_away_is_waited_for_and_never_a_dead_letter() -> None:
    async with bench("image") as image:
        image.media.outages = 1
        image.publisher.failures = 1
        await image.feed(item(0, media=picture()))
        assert image.letters() == []
        assert len(image.features()) == 1


async def test_a_withdrawal_is_declared_and_the_feature_removed() -> None:
    null = record(TOPICS.items, None, key=b"a", offset=7)
    async with bench("text") as text, bench("image") as image:
        await text.feed(null)
        await image.feed(null)
        (declared,) = text.features()
        assert declared.withdrawn
        (removed,) = image.publisher.published
        assert (msgspec.json.decode(removed.key or b""), removed.value) == (
            ["a", "image", "image-cnn-64"],
            None,
        )


async def test_a_null_without_a_key_is_a_dead_letter() -> None:
    async with bench("text") as text:
        await text.feed(record(TOPICS.items, None))
        (letter,) = text.letters()
        assert letter.reason == "invalid"


async def test_a_callers_vector_is_taken_as_it_is_after_a_check() -> None:
    def with_vector(offset: int, encoder: str, values: list[float]) -> Record:
        body = {"item_id": f"v{offset}", "vectors": {"image": {"encoder": encoder, "values": values}}}
        return record(TOPICS.items, msgspec.json.encode(body), offset=offset)

    async with bench("image") as image:
        await image.feed(
            with_vector(0, "image-cnn-64", [3.0, 4.0]),
            with_vector(1, "unheard-of", [3.0, 4.0]),
            with_vector(2, "image-cnn-64", [3.0, 4.0, 5.0]),
            with_vector(3, "image-cnn-64", [0.0, 0.0]),
        )
        reasons = {letter.source.offset: letter.reason for letter in image.letters()}
        assert reasons == {1: "unknown_encoder", 2: "invalid", 3: "invalid"}
        (feature,) = [one for one in image.features() if isinstance(one, ItemFeature)]
        assert np.frombuffer(feature.vector, "<f4").tolist() == [np.float32(0.6), np.float32(0.8)]


async def test_several_pictures_become_their_mean_direction() -> None:
    async with bench("image") as image:
        await image.feed(item(0, media=picture(b"one") + picture(b"three")))
        (feature,) = image.features()
        mean = np.array([4.0, 1.0])
        assert np.allclose(np.frombuffer(feature.vector, "<f4"), mean / np.linalg.norm(mean), atol=1e-6)
