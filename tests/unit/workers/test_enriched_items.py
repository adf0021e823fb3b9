"""Items that a language model tells more of, through the text role and the item's state."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from streams.internal_messages import ItemDeclared, ItemFeature, ItemFeatureFailed
from streams.messages import Item
from streams.records import Record
from tests.unit.language_model.test_enrichment import KEPT, TEXT, Reader
from tests.unit.workers.fakes import now
from tests.unit.workers.test_items_to_features import SETTINGS, TOPICS, Bench, encode_fake, item
from workers.item_enricher import ItemEnricher
from workers.items_to_features import ItemEncoder
from workers.language_model.enrichment import Enrichment
from workers.micro_batcher import MicroBatcher
from workers.role_metrics import EncodeMetrics
from workers.state.item import ItemState, apply


class Enriching(Bench):
    """The text role with an enricher."""

    def __init__(
        self,
        reader: Reader,
        encode: Callable[[Sequence[Any]], np.ndarray] = encode_fake,
        read_text: Callable[[Item], str] = lambda item: item.title,
    ) -> None:
        super().__init__("text")
        self.role = ItemEncoder(
            modality="text",
            encoder_name=SETTINGS.encoders.text,
            dimension=2,
            batcher=MicroBatcher(encode, max_batch=8, max_wait_s=0.0),
            read_text=read_text,
            media=None,
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=SETTINGS,
            now=now,
            metrics=EncodeMetrics("text"),
            enricher=ItemEnricher(reader, backlog_items=9, cache_entries=9, concurrency=2),
        )

    async def until(self, messages: int) -> list[Any]:
        async with asyncio.timeout(60):
            while len(self.features()) < messages:
                await asyncio.sleep(0.001)
        return self.features()


@asynccontextmanager
async def enriching(reader: Reader) -> AsyncIterator[Enriching]:
    made = Enriching(reader)
    await made.role.start()
    yield made
    await made.role.stop()


def boots(offset: int = 0, **attributes: Any) -> Record:
    return item(offset, title=TEXT, attributes=attributes)


async def test_an_item_goes_on_at_once_and_what_is_told_follows() -> None:
    reader = Reader(is_let=False)
    async with enriching(reader) as text:
        await text.feed(boots(price=3.5))  # done, with nobody having told anything
        declared, feature = text.features()
        assert (declared.attributes, declared.enriched) == ({"price": 3.5}, False)
        reader.let.set()
        *_, again, told = await text.until(4)
    assert isinstance(again, ItemDeclared)
    assert again.version == declared.version
    assert again.attributes == {"price": 3.5, **KEPT.attributes}
    assert isinstance(told, ItemFeature)
    assert told.source_hash == feature.source_hash
    assert told.vector != feature.vector  # the encoder has read more
    assert told.content_hash != feature.content_hash


async def test_what_the_publisher_says_stays() -> None:
    async with enriching(Reader()) as text:
        await text.feed(boots(model_mood=["solemn"]))
        *_, again, _ = await text.until(4)
    assert again.attributes["model_mood"] == ["solemn"]
    assert again.attributes["model_tags"] == list(KEPT.tags)


async def test_a_text_that_is_known_is_enriched_with_its_first_declaration() -> None:
    reader = Reader()
    async with enriching(reader) as text:
        await text.feed(boots(1))
        await text.until(4)
        text.publisher.take()
        await text.feed(boots(2, price=9.0))
        declared, _ = text.features()
    assert declared.enriched
    assert declared.attributes == {"price": 9.0, **KEPT.attributes}
    assert reader.read_texts == [TEXT]


async def test_an_item_of_which_nothing_is_told_is_not_declared_again() -> None:
    reader = Reader(Enrichment())
    async with enriching(reader) as text:
        await text.feed(boots())
        while not reader.read_texts:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert len(text.features()) == 2


async def test_an_update_after_a_restart_keeps_what_was_told_and_does_not_ask_again() -> None:
    async with enriching(Reader()) as text:
        await text.feed(boots(1, price=3.5))
        before = await text.until(4)
    reader = Reader()
    async with enriching(reader) as text:
        await text.remember(*before)
        await text.feed(boots(2, price=9.0))
        declared, feature = text.features()
        await asyncio.sleep(0.01)
        assert len(text.features()) == 2
    assert (declared.attributes, declared.enriched) == ({"price": 9.0, **KEPT.attributes}, True)
    assert (feature.vector, feature.content_hash) == (before[-1].vector, before[-1].content_hash)
    assert reader.read_texts == []


async def test_another_text_loses_what_was_told_of_the_one_before() -> None:
    async with enriching(Reader()) as text:
        await text.feed(boots(1))
        before = await text.until(4)
    reader = Reader(None)
    async with enriching(reader) as text:
        await text.remember(*before)
        await text.feed(item(2, title="A lamp"))
        declared, _ = text.features()
        while not reader.read_texts:
            await asyncio.sleep(0.001)
    assert (declared.attributes, declared.enriched) == ({}, False)


async def test_a_text_that_is_told_of_is_encoded_though_the_plain_vector_is_held() -> None:
    async with enriching(Reader(None)) as text:
        await text.feed(boots(1))
        declared, plain = text.features()
    async with enriching(Reader()) as text:
        await text.feed(item(7, "other", title=TEXT))  # so that the text is known
        await text.until(4)
        text.publisher.take()
        await text.remember(declared, plain)
        await text.feed(boots(2))
        _, feature = text.features()
    assert feature.source_hash == plain.source_hash
    assert feature.vector != plain.vector


class Choosy(Enriching):
    """Its encoder fails on what a model has told."""

    def __init__(self, reader: Reader) -> None:
        def encode(batch: Sequence[Any]) -> np.ndarray:
            return encode_fake(["poison" if KEPT.words in one else one for one in batch])

        super().__init__(reader, encode)


async def test_an_enriched_text_that_cannot_be_encoded_costs_no_vector() -> None:
    choosy = Choosy(Reader())
    await choosy.role.start()
    await choosy.feed(boots(1))
    _, plain, again = await choosy.until(3)
    await choosy.feed(boots(2))  # known by now: told with the first declaration
    *_, second = await choosy.until(5)
    await choosy.role.stop()
    assert again.enriched
    assert isinstance(second, ItemFeature)
    assert (second.vector, second.content_hash) == (plain.vector, plain.content_hash)
    assert not any(isinstance(one, ItemFeatureFailed) for one in choosy.features())
    assert choosy.letters() == []


async def test_what_waits_for_the_model_holds_no_message() -> None:
    async with enriching(Reader(is_let=False)) as text:
        (delivery,) = await text.feed(boots(1))
        held = weakref.ref(delivery)
        del delivery
        async with asyncio.timeout(60):
            while held() is not None:
                gc.collect()
                await asyncio.sleep(0.001)
    assert held() is None


async def test_a_text_is_read_once_for_all_that_is_done_with_it() -> None:
    read: list[str] = []

    def read_text(item: Item) -> str:
        read.append(item.title)
        return item.title

    text = Enriching(Reader(), read_text=read_text)
    await text.role.start()
    await text.feed(boots(1))
    await text.until(4)
    await text.role.stop()
    assert read == [TEXT]


async def test_messages_of_a_text_that_is_told_of_again_and_again_lead_to_one_state() -> None:
    """Whatever the order of plain and enriched declarations of a version, and never over a newer version."""
    async with enriching(Reader()) as text:
        await text.feed(boots(1, price=3.5))
        plain, feature, told, told_feature = await text.until(4)
    state = ItemState()
    for message in (plain, feature, told, told_feature, plain):
        state = apply(state, message)
    assert state.attributes == {"price": 3.5, **KEPT.attributes}
    async with enriching(Reader(None)) as text:
        await text.feed(boots(2, price=9.0))
        newer, _ = text.features()
    state = apply(apply(state, newer), told)
    assert state.attributes == {"price": 9.0}
