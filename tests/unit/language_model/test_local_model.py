"""A language model in the process, by its bounds: time, turns, cancelling, failures, and what is missing."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from streams.enrich_settings import EnrichSettings
from streams.errors import ConfigurationError
from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from streams.metrics import REGISTRY
from streams.settings import Settings
from tests.unit.explaining.model_bench import TEMPLATES, Counted, template
from tests.unit.explaining.samples import LAMP
from workers.explaining.language_model import LanguageModelGenerator
from workers.language_model import local_model
from workers.language_model.local_model import PromptTooLongError, load_decoder
from workers.language_model.model import LanguageModel
from workers.language_model.transport import Completion, Message, NoAnswerError
from workers.wiring.around import Around
from workers.wiring.items import wire_enricher
from workers.wiring.language_model import WorkersLanguageModel

MESSAGES = [{"role": "user", "content": "words"}]
# The fixed answer of a decoder of tests that is about the lamp of the samples.
HONEST = '{"text": "Popular with people here.", "facts": ["r2"]}'


class FakeDecoder:
    """Answers with ``content``; one that is `stuck` decodes until nobody wants it any more."""

    def __init__(self, content: str = HONEST, error: Exception | None = None) -> None:
        self.content, self.error = content, error
        self.is_stuck = False
        self.began = threading.Event()
        self.ended = threading.Event()
        self.decoded = 0
        self.threads: set[str] = set()

    def decode(
        self, messages: Sequence[Message], max_tokens: int, is_unwanted: Callable[[], bool]
    ) -> Completion:
        self.began.set()
        self.decoded += 1
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        while self.is_stuck and not is_unwanted():
            threading.Event().wait(0.001)
        self.ended.set()
        return Completion(self.content, 40, 9)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> FakeDecoder:
    """What every local model is, in these tests."""
    fake = FakeDecoder()
    monkeypatch.setattr(local_model, "check_loadable", lambda name: None)
    monkeypatch.setattr(local_model, "load_decoder", lambda name, threads: fake)
    return fake


def settings(**changed: Any) -> LanguageModelSettings:
    return LanguageModelSettings(**{"local": "/models/tiny", "timeout_s": 600.0, **changed})


@asynccontextmanager
async def opened(own: LanguageModelSettings, counted: Counted) -> AsyncIterator[LanguageModel]:
    """A model that is loaded."""
    async with LanguageModel(own, counted) as model:
        await model.is_ready()
        yield model


async def test_it_answers_on_a_thread_of_its_own(decoder: FakeDecoder) -> None:
    counted = Counted()
    async with opened(settings(), counted) as model:
        assert await model.answer(MESSAGES, {}) == HONEST
        assert model.model == "tiny"
    assert decoder.threads == {"language-model"}
    assert (counted.tokens, counted.calls) == ((40, 9), {"ok": 1})


async def test_explanations_carry_the_name_that_is_set(decoder: FakeDecoder) -> None:
    own = settings(model="our-model")
    async with opened(own, Counted()) as model:
        written = await LanguageModelGenerator(model, TEMPLATES, ExplainSettings(), own, Counted()).write(
            (LAMP,), "anna"
        )
    assert (written.texts, written.how, written.generator) == (
        ("Popular with people here.",),
        ("accepted",),
        "our-model",
    )


async def test_the_event_loop_goes_on_while_it_decodes(decoder: FakeDecoder) -> None:
    decoder.is_stuck = True
    async with opened(settings(), Counted()) as model:
        task = asyncio.create_task(model.answer(MESSAGES, {}))
        await asyncio.to_thread(decoder.began.wait, 60)
        for _ in range(100):  # turns of the loop, with the decoder in the middle of an answer
            await asyncio.sleep(0)
        assert not task.done()
        decoder.is_stuck = False
        assert await task == HONEST


async def test_out_of_time_it_stops_decoding_and_the_template_takes_over(decoder: FakeDecoder) -> None:
    own, counted = settings(timeout_s=0.05), Counted()
    async with opened(own, counted) as model:
        generator = LanguageModelGenerator(model, TEMPLATES, ExplainSettings(), own, Counted())
        decoder.is_stuck = True
        written = await generator.write((LAMP,), "anna")
        assert (written.texts, written.how) == (template(), ("unavailable",))
        assert await asyncio.to_thread(decoder.ended.wait, 60)  # nobody waits, so it has stopped
        assert counted.calls == {"timeout": 1}  # the same prompt has the same answer: no second try
        decoder.is_stuck = False
        model._settings = own.model_copy(update={"timeout_s": 600.0})
        assert (await generator.write((LAMP,), "anna")).how == ("accepted",)


async def test_cancelling_stops_the_decoder(decoder: FakeDecoder) -> None:
    decoder.is_stuck = True
    async with opened(settings(), Counted()) as model:
        task = asyncio.create_task(model.answer(MESSAGES, {}))
        await asyncio.to_thread(decoder.began.wait, 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.to_thread(decoder.ended.wait, 60)


async def test_leaving_does_not_wait_for_the_rest_of_an_answer(decoder: FakeDecoder) -> None:
    decoder.is_stuck = True
    async with asyncio.timeout(60):
        async with opened(settings(), Counted()) as model:
            task = asyncio.create_task(model.answer(MESSAGES, {}))
            await asyncio.to_thread(decoder.began.wait, 60)
        await asyncio.gather(task, return_exceptions=True)
    assert decoder.ended.is_set()


async def test_who_finds_too_many_waiting_gets_no_answer_at_once(decoder: FakeDecoder) -> None:
    decoder.is_stuck = True
    counted = Counted()
    async with opened(settings(waiting_calls=2), counted) as model:
        tasks = [asyncio.create_task(model.answer(MESSAGES, {})) for _ in range(3)]
        await asyncio.to_thread(decoder.began.wait, 60)
        with pytest.raises(NoAnswerError, match="busy"):
            await model.answer(MESSAGES, {})
        decoder.is_stuck = False
        assert await asyncio.gather(*tasks) == [HONEST] * 3
    assert counted.calls == {"busy": 1, "ok": 3}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RuntimeError("out of memory"), "failed"),
        (MemoryError(), "failed"),
    ],
)
async def test_a_model_that_fails_costs_its_words_alone(
    decoder: FakeDecoder, error: Exception, outcome: str
) -> None:
    decoder.error = error
    own, counted = settings(breaker_failures=2), Counted()
    async with opened(own, counted) as model:
        generator = LanguageModelGenerator(model, TEMPLATES, ExplainSettings(), own, Counted())
        for _ in range(3):
            assert (await generator.write((LAMP,), "anna")).texts == template()
    assert counted.calls == {outcome: 2, "circuit_open": 1}
    assert decoder.decoded == 2


async def test_prompts_that_are_too_long_leave_the_model_to_others(decoder: FakeDecoder) -> None:
    decoder.error = PromptTooLongError("900 tokens")
    counted = Counted()
    async with opened(settings(breaker_failures=2), counted) as model:
        for _ in range(3):
            with pytest.raises(NoAnswerError, match="too_long"):
                await model.answer(MESSAGES, {})
        decoder.error = None
        assert await model.answer(MESSAGES, {}) == HONEST
    assert counted.calls == {"too_long": 3, "ok": 1}


def circuit_open(purpose: str) -> float | None:
    return REGISTRY.get_sample_value("freshet_language_model_circuit_open", {"purpose": purpose})


async def test_as_many_are_enriched_at_a_time_as_are_decoded(decoder: FakeDecoder) -> None:
    # One that waited for its turn would use up the time that it may take.
    around = SimpleNamespace(
        settings=Settings(enrich=EnrichSettings(enabled=True), language_model=settings(concurrency=4)),
        resources=AsyncExitStack(),
    )
    async with around.resources:
        enricher = await wire_enricher(cast(Around, around))
        assert enricher is not None
        assert enricher._concurrency == 1


async def test_what_asks_beside_shares_decoder_and_budget_and_has_a_circuit_of_its_own(
    monkeypatch: pytest.MonkeyPatch, decoder: FakeDecoder
) -> None:
    loaded: list[str] = []

    def load(name: str, threads: int) -> FakeDecoder:
        loaded.append(name)
        return decoder

    monkeypatch.setattr(local_model, "load_decoder", load)
    own = settings(breaker_failures=1, tokens_per_minute=400, max_tokens=100)
    async with AsyncExitStack() as resources:
        opens = WorkersLanguageModel(own, resources)
        queries, refiner = await opens.open("query"), await opens.open("refine")
        await refiner.is_ready()
        decoder.error = RuntimeError("more than it can do")
        with pytest.raises(NoAnswerError, match="failed"):
            await queries.answer(MESSAGES, {})
        with pytest.raises(NoAnswerError, match="circuit_open"):
            await queries.answer(MESSAGES, {})
        decoder.error = None
        await refiner.answer(MESSAGES, {})
        # What succeeds elsewhere does not say that this one is closed.
        assert (circuit_open("query"), circuit_open("refine")) == (1.0, 0.0)

        async def use_up() -> None:
            for _ in range(9):  # of 49 tokens each
                await refiner.answer(MESSAGES, {})

        with pytest.raises(NoAnswerError, match="over_budget"):
            await use_up()
        queries._breaker.succeeded()
        with pytest.raises(NoAnswerError, match="over_budget"):
            await queries.answer(MESSAGES, {})
    assert loaded == ["/models/tiny"]


# Loading


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, decoder: FakeDecoder) -> Iterator[threading.Event]:
    """Loading ends when it is let."""
    let = threading.Event()

    def load(name: str, threads: int) -> FakeDecoder:
        let.wait()
        return decoder

    monkeypatch.setattr(local_model, "load_decoder", load)
    yield let
    let.set()


async def test_while_it_loads_there_is_no_answer_and_nothing_waits(slow: threading.Event) -> None:
    counted = Counted()
    async with asyncio.timeout(60), LanguageModel(settings(breaker_failures=1), counted) as model:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="loading"):
                await model.answer(MESSAGES, {})
        slow.set()
        await model.is_ready()
        assert await model.answer(MESSAGES, {}) == HONEST
    assert counted.calls == {"loading": 2, "ok": 1}


async def test_leaving_does_not_wait_for_a_model_that_loads(slow: threading.Event) -> None:
    async with asyncio.timeout(60), LanguageModel(settings(), Counted()):
        pass
    assert not slow.is_set()


async def test_leaving_waits_for_a_decoder_that_heeds_nobody_so_long_at_most(
    decoder: FakeDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_model, "END_WAIT_S", 0.05)
    let = threading.Event()
    monkeypatch.setattr(decoder, "decode", lambda *_: let.wait())
    async with asyncio.timeout(60):
        async with LanguageModel(settings(), Counted()) as model:
            await model.is_ready()
            task = asyncio.create_task(model.answer(MESSAGES, {}))
            await asyncio.sleep(0.01)
    let.set()
    task.cancel()
    assert all(one.daemon for one in threading.enumerate() if one.name == "language-model")


# What is missing


@pytest.mark.parametrize(("file", "extra"), [("model.onnx", "llm-onnx"), ("config.json", "llm-torch")])
def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, extra: str
) -> None:
    (tmp_path / file).write_text("{}")
    for module in ("torch", "transformers", "workers.language_model.torch_decoder"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "workers.language_model.onnx_decoder", raising=False)
    with pytest.raises(ConfigurationError, match=rf"freshet\[{extra}\]"):
        load_decoder(str(tmp_path), 1)


async def test_a_model_of_another_kind_is_named_and_stops_nothing(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra `llm-torch` is not installed")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    async with LanguageModel(settings(local=str(tmp_path)), Counted()) as model:
        with pytest.raises(ConfigurationError, match=rf"language_model.local is `{tmp_path}`"):
            await model.is_ready()
        with pytest.raises(NoAnswerError, match="failed"):
            await model.answer(MESSAGES, {})


@pytest.mark.parametrize("folder", ["", "nowhere"])
async def test_a_folder_without_a_model_is_told_at_once(tmp_path: Path, folder: str) -> None:
    name = str(tmp_path / folder)
    with pytest.raises(ConfigurationError, match=rf"language_model.local is `{name}`"):
        async with LanguageModel(settings(local=name), Counted()):
            pass


@pytest.mark.parametrize(("file", "extra"), [("model.onnx", "llm-onnx"), ("config.json", "llm-torch")])
async def test_a_missing_extra_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, extra: str
) -> None:
    (tmp_path / file).write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    if extra == "llm-torch":
        monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigurationError, match=rf"freshet\[{extra}\]"):
        async with LanguageModel(settings(local=str(tmp_path)), Counted()):
            pass


def test_an_endpoint_and_a_local_model_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="set one"):
        LanguageModelSettings(local="x", base_url="http://127.0.0.1:1/v1", model="m")
