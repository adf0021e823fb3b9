"""What asks a language model beside explanations, of a server with faults and lies: no worse than none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.enrich_settings import EnrichSettings
from streams.refine_settings import RefineSettings
from tests.unit.explaining.chat_answers import LIES
from tests.unit.explaining.chat_server import FAULTS
from tests.unit.explaining.model_bench import Bench, always
from tests.unit.language_model.test_list_refiner import CATALOGUE, ids, made, profile
from workers.language_model.enrichment import Enrichment, EnrichmentReader
from workers.language_model.list_order import OrderReader
from workers.language_model.model import LanguageModel
from workers.language_model.negations import NegationReader, Separated
from workers.list_refiner import ListRefiner

pytest.importorskip("openai", reason="the extra `llm` is not installed")

WORDS = "quiet piano, no vocals"
TEXT = "Rain on a tin roof"


@asynccontextmanager
async def opened(behaviour: str, timeout_s: float = 60.0) -> AsyncIterator[LanguageModel]:
    async with Bench(always(behaviour), timeout_s=timeout_s) as bench:
        yield bench.model


async def separated(model: LanguageModel) -> Separated | None:
    return await NegationReader(model, 60.0).separate(WORDS)


async def refined(model: LanguageModel) -> str:
    settings = RefineSettings(enabled=True, timeout_ms=30_000)
    refiner = ListRefiner(OrderReader(model), CATALOGUE.get, settings, tells_past_items=True)
    return ids(await refiner.refine(profile("id-a"), made(), 30.0))


async def enriched(model: LanguageModel) -> Enrichment | None:
    return await EnrichmentReader(model, EnrichSettings(enabled=True, timeout_s=30.0)).read(TEXT)


async def test_an_honest_server_is_heeded() -> None:
    async with opened("honest") as model:
        assert await separated(model) == Separated("quiet piano", ("vocals",))
        assert await refined(model) == "edcba"
        assert await enriched(model) == Enrichment(("rain", "on"), ("calm",))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_leaves_everything_as_it_was(fault: str) -> None:
    async with opened(fault, timeout_s=0.3) as model:
        assert await separated(model) is None
        assert await refined(model) == "abcde"
        assert await enriched(model) is None


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_not_taken(lie: str) -> None:
    async with opened(lie) as model:
        assert await separated(model) is None
        assert await refined(model) == "abcde"
        assert not await enriched(model)


async def test_a_server_that_has_stopped_leaves_everything_as_it_was() -> None:
    async with Bench(always("honest")) as bench:
        bench.server.stop()
        assert await separated(bench.model) is None
        assert await refined(bench.model) == "abcde"
        assert await enriched(bench.model) is None
