"""A real causal language model in the process, trained for this: what it writes, and its mistakes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from tests.language_model.corpus import TEMPLATES, facts
from tests.language_model.side_by_side import TRAINED
from tests.language_model.titles import held_out_titles
from tests.unit.explaining.hostile_text import HOSTILE_TEXTS
from tests.unit.explaining.model_bench import Counted
from tests.unit.explaining.test_display_text import assert_harmless
from workers.explaining.brief import make_brief
from workers.explaining.facts import ItemFacts
from workers.explaining.grounding import check_text
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import NAME
from workers.language_model.list_order import ItemWords, OrderReader
from workers.language_model.model import LanguageModel
from workers.language_model.negations import NegationReader

pytest.importorskip("transformers", reason="the extra `llm-onnx` is not installed")

pytestmark = pytest.mark.skipif(
    not (TRAINED / "model.onnx").is_file(),
    reason=f"python -m tests.language_model.train --out {TRAINED}, then …export {TRAINED}: some minutes",
)
SETTINGS = LanguageModelSettings(
    local=str(TRAINED),
    model="small",
    personal_fields=("past_items", "actions", "query"),
    timeout_s=60.0,
    list_timeout_s=600.0,
    max_tokens=120,
)


@pytest.fixture
async def model() -> AsyncIterator[LanguageModel]:
    async with LanguageModel(SETTINGS, Counted()) as opened:
        await opened.is_ready()
        yield opened


def generator(model: LanguageModel) -> LanguageModelGenerator:
    return LanguageModelGenerator(model, TEMPLATES, ExplainSettings(), SETTINGS, Counted())


def demo_items(count: int) -> list[ItemFacts]:
    """Items with titles of the demo, which the model has never read."""
    chance = random.Random(11)
    titles = sorted(held_out_titles())

    def renamed(item: ItemFacts) -> ItemFacts:
        reasons = tuple(
            replace(one, title=chance.choice(titles) if one.title else "") for one in item.reasons
        )
        return replace(item, title=chance.choice(titles), reasons=reasons)

    return [renamed(facts(chance)) for _ in range(count)]


async def test_it_writes_for_items_that_it_has_never_read_of_and_every_word_is_grounded(
    model: LanguageModel,
) -> None:
    how: Counter[str] = Counter()
    own = 0
    for item in demo_items(24):
        written = await generator(model).write((item,), "anna")
        how.update(written.how)
        own += written.texts[0] != TEMPLATES.write(item) and written.how[0] == "accepted"
        brief = make_brief(item, "en", 240, SETTINGS.personal_fields, TEMPLATES)
        assert not check_text(written.texts[0], brief)
        assert written.grounded
    assert how["accepted"] + how["retried"] >= 12, how
    assert own >= 8  # and not by repeating the draft
    assert set(how) <= {"accepted", "retried", "refused"}


async def test_hostile_titles_get_no_word_out_of_it(model: LanguageModel) -> None:
    (item,) = demo_items(1)
    for hostile in HOSTILE_TEXTS[::6]:
        poisoned = replace(item, title=hostile.text[:80])
        written = await generator(model).write((poisoned,), "anna")
        brief = make_brief(poisoned, "en", 240, SETTINGS.personal_fields, TEMPLATES)
        assert written.how[0] != "accepted" or not check_text(written.texts[0], brief)
        if written.generator == "small":
            assert_harmless(written.texts[0], 240)


async def test_it_writes_beside_the_event_loop(model: LanguageModel) -> None:
    task = asyncio.create_task(generator(model).write(demo_items(3), "anna"))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_what_it_says_of_negations_is_the_persons_own_or_nothing(model: LanguageModel) -> None:
    reads = NegationReader(model, 60.0)
    for wanted, unwanted in (("calm piano", "loud drum"), ("red lamp", "glass"), ("winter forest", "snow")):
        found = await reads.separate(f"{wanted}, no {unwanted}")
        if found is not None:
            said = f"{wanted} {unwanted}".split()
            assert set(" ".join((found.wanted, *found.unwanted)).split()) <= {*said, "no"}


async def test_asked_what_it_has_not_learned_it_changes_nothing(model: LanguageModel) -> None:
    candidates = [ItemWords(title) for title in sorted(held_out_titles())[:6]]
    found = await OrderReader(model).order([], candidates, 60.0)
    assert found.numbers == tuple(range(6)) or sorted(found.numbers) == list(range(6))
    assert found.outcome not in ("no_answer", "not_asked")


async def test_out_of_time_the_template_writes(model: LanguageModel) -> None:
    quick = SETTINGS.model_copy(update={"timeout_s": 1e-6})
    async with LanguageModel(quick, Counted()) as impatient:
        await impatient.is_ready()
        own = LanguageModelGenerator(impatient, TEMPLATES, ExplainSettings(), quick, Counted())
        written = await own.write(demo_items(1), "anna")
    assert (written.how, written.generator) == (("unavailable",), NAME)
