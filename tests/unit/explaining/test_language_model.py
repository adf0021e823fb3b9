"""A language model behind a real HTTP endpoint: honest, faulty, lying, away."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace

import pytest

from streams.errors import ConfigurationError
from streams.language_model_settings import LanguageModelSettings
from tests.unit.explaining.chat_answers import LIES, Json, told
from tests.unit.explaining.chat_server import FAULTS, is_second_try
from tests.unit.explaining.model_bench import MODEL, Bench, Counted, always, first, template
from tests.unit.explaining.samples import LAMP
from workers.explaining.templates import NAME
from workers.language_model import model
from workers.language_model.endpoint import outcome_of
from workers.language_model.model import LanguageModel
from workers.language_model.transport import NoAnswerError

pytest.importorskip("openai", reason="the extra `llm` is not installed")

SCHEMA: Json = {"type": "object"}
MESSAGES = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": '{"draft": "d", "item": {"reasons": []}}'},
]


# What is accepted


async def test_an_honest_answer_is_taken() -> None:
    async with Bench(always("honest")) as bench:
        written = await bench.write()
        assert written.how == ("accepted",)
        assert (written.generator, written.grounded) == (MODEL, True)
        assert "“Desk lamp, brass”" in written.texts[0]
        assert bench.counted.tokens == (100, 20)
        assert bench.counted.cost == pytest.approx((100 * 2 + 20 * 10) / 1e6)


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_complained_of_and_the_truth_taken(lie: str) -> None:
    async with Bench(lambda body, _: "honest" if is_second_try(body) else lie) as bench:
        written = await bench.write()
        assert written.how == ("retried",)
        assert bench.counted.complaints
        complaint = bench.server.bodies[1]["messages"][-1]
        assert complaint["role"] == "user"
        assert complaint["content"].startswith("The answer cannot be used")


@pytest.mark.parametrize("lie", LIES)
async def test_one_who_lies_twice_is_replaced_by_the_template_and_not_asked_again(lie: str) -> None:
    async with Bench(always(lie)) as bench:
        written = await bench.write()
        assert (written.texts, written.how, written.generator) == (template(), ("refused",), NAME)
        assert written.grounded
        assert len(bench.server.bodies) == 2
        assert await bench.write() == written
        assert len(bench.server.bodies) == 2


async def test_alike_items_and_reasons_are_asked_about_once() -> None:
    async with Bench(always("honest")) as bench:
        first_written = await bench.write()
        again = await bench.write(replace(LAMP, item_id="another"))
        assert again.how == ("cached",)
        assert again.texts == first_written.texts
        assert len(bench.server.bodies) == 1


async def test_only_the_first_items_are_written_by_the_model() -> None:
    items = [replace(LAMP, title=f"Lamp of {one}") for one in ("Ann", "Ben", "Cleo")]
    async with Bench(always("honest"), written_items=2) as bench:
        written = await bench.write(*items)
        assert written.how == ("accepted", "accepted", "beyond")
        assert written.generator == f"{MODEL} + {NAME}"
        assert written.texts[2] == template(*items)[2]


async def test_an_open_vocabulary_is_not_called_grounded() -> None:
    async with Bench(always("quality"), vocabulary="open") as bench:
        written = await bench.write()
        assert written.how == ("accepted",)
        assert "waterproof" in written.texts[0]
        assert not written.grounded


# What goes to the endpoint


async def test_no_id_of_a_person_and_no_event_goes_out() -> None:
    async with Bench(always("honest")) as bench:
        await bench.write()
        (body,) = bench.server.bodies
        sent = str(body) + str(bench.server.headers)
        for secret in ("anna", "lamp-1", "purchase", "bought"):
            assert secret not in sent
        assert "Desk lamp, brass" in sent
        assert body["response_format"]["json_schema"]["strict"] is True


async def test_what_settings_allow_goes_out() -> None:
    async with Bench(
        always("honest"), personal_fields=("actions", "user_id"), response_format="none", api_key="k-1"
    ) as bench:
        await bench.write()
        (body,) = bench.server.bodies
        assert body["user"] == "anna-7"
        assert "purchase" in str(body)
        assert "Desk lamp" not in str(body)
        assert "response_format" not in body
        assert bench.server.headers[0]["authorization"] == "Bearer k-1"


# Faults


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_ends_in_a_template(fault: str) -> None:
    async with Bench(always(fault), timeout_s=0.3) as bench:
        written = await bench.write()
        assert written.texts == template()
        assert written.how[0] in ("unavailable", "refused")
        assert "ok" not in bench.counted.calls or fault == "cut_off"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("slow", "timeout"),
        ("trickle", "timeout"),
        ("429", "rate_limited"),
        ("500", "server_error"),
        ("400", "too_long"),
        ("truncated", "unreachable"),
        ("hangup", "unreachable"),
        ("html", "malformed"),
        ("no_choices", "malformed"),
        ("null_content", "malformed"),
        ("nonsense", "malformed"),
    ],
)
async def test_faults_are_told_apart(fault: str, outcome: str) -> None:
    async with Bench(always(fault), timeout_s=0.3 if outcome == "timeout" else 60.0) as bench:
        with pytest.raises(NoAnswerError) as raised:
            await bench.model.answer(MESSAGES, SCHEMA)
        assert raised.value.outcome == outcome or {raised.value.outcome, outcome} == {
            "unreachable",
            "malformed",
        }
        assert bench.counted.calls == {raised.value.outcome: 1}


async def test_what_may_pass_is_tried_again() -> None:
    async with Bench(first("500", "429", "hangup"), attempts=4) as bench:
        assert (await bench.write()).how == ("accepted",)
        assert bench.counted.calls["ok"] == 1
        assert bench.counted.calls.total() == 4


async def test_what_is_refused_is_not_tried_again() -> None:
    async with Bench(always("400"), attempts=4) as bench:
        assert (await bench.write()).how == ("unavailable",)
        assert len(bench.server.bodies) == 1


async def test_a_wait_that_the_endpoint_asks_for_is_not_waited_for_long() -> None:
    async with Bench(always("429"), attempts=4) as bench:
        bench.server.retry_after = "3600"
        assert (await bench.write()).how == ("unavailable",)
        assert len(bench.server.bodies) == 1


async def test_an_endpoint_that_keeps_failing_is_left_alone() -> None:
    async with Bench(always("500"), breaker_failures=3, written_items=20, concurrency=1) as bench:
        items = [replace(LAMP, title=f"Lamp {'x' * one}") for one in range(12)]
        written = await bench.write(*items)
        assert set(written.how) == {"unavailable"}
        assert len(bench.server.bodies) == 3
        assert bench.counted.is_open
        assert bench.counted.calls == {"server_error": 3, "circuit_open": 9}


async def test_it_is_asked_again_after_the_pause() -> None:
    now_s = 0.0
    async with Bench(first("500", "500"), breaker_failures=2, breaker_pause_s=30.0) as bench:
        bench.model._breaker._clock = lambda: now_s
        for _ in range(2):
            await bench.write()
        now_s = 29.0
        assert (await bench.write()).how == ("unavailable",)
        now_s = 30.0
        assert (await bench.write()).how == ("accepted",)
        assert not bench.counted.is_open


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((one, "too_long") for one in (400, 413, 422)),
        *((one, "refused") for one in (401, 403, 404)),
        *((one, "server_error") for one in (408, 409, 500, 503)),
    ],
)
def test_statuses_say_what_is_at_fault(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


async def test_prompts_that_an_endpoint_does_not_take_open_no_circuit() -> None:
    async with Bench(first("400", "400", "400"), breaker_failures=2) as bench:
        for _ in range(3):
            assert (await bench.write()).how == ("unavailable",)
        assert (await bench.write()).how == ("accepted",)


async def test_budgets_hold() -> None:
    async with Bench(always("honest"), tokens_per_minute=2_500, max_tokens=200) as bench:
        written = [await bench.write(replace(LAMP, title=f"Lamp {'x' * one}")) for one in range(30)]
        how = Counter(one.how[0] for one in written)
        assert set(how) == {"accepted", "unavailable"}
        assert 120 * how["accepted"] <= 2_500
        assert bench.counted.calls == {"ok": how["accepted"], "over_budget": how["unavailable"]}


async def test_no_more_calls_at_a_time_than_allowed() -> None:
    items = [replace(LAMP, title=f"Lamp {'x' * one}") for one in range(6)]
    async with Bench(always("slow"), concurrency=2, written_items=6) as bench:
        writing = asyncio.create_task(bench.write(*items))
        while len(bench.server.bodies) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert len(bench.server.bodies) == 2
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    async with Bench(always("slow"), concurrency=2, written_items=6, list_timeout_s=0.3) as bench:
        assert set((await bench.write(*items)).how) == {"late"}


async def test_a_late_answer_does_not_hold_up_the_others() -> None:
    def behave(body: Json, number: int) -> str:
        return "slow" if "Slow" in told(body)["item"]["title"]["text"] else "honest"

    async with Bench(behave, list_timeout_s=20.0) as bench:
        items = [replace(LAMP, title=title) for title in ("Slow lamp", "Reading lamp")]
        written = await bench.write(*items)
        assert written.how == ("late", "accepted")
        assert written.texts[0] == template(*items)[0]


async def test_a_stopped_endpoint_costs_nothing_but_the_models_words() -> None:
    async with Bench(always("honest")) as bench:
        bench.server.stop()
        assert (await bench.write()).how == ("unavailable",)


async def test_cancelling_ends_the_calls() -> None:
    async with Bench(always("slow"), timeout_s=30.0) as bench:
        task = asyncio.create_task(bench.write())
        while not bench.server.bodies:
            await asyncio.sleep(0.01)
        task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def test_callers_that_give_up_on_a_hung_endpoint_open_the_circuit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model, "_HUNG_S", 0.0)
    async with Bench(always("slow"), timeout_s=30.0, breaker_failures=2) as bench:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await bench.model.answer(MESSAGES, SCHEMA)
        with pytest.raises(NoAnswerError, match="circuit_open"):
            await bench.model.answer(MESSAGES, SCHEMA)
        assert bench.counted.calls == {"timeout": 2, "circuit_open": 1}
        assert bench.counted.is_open


async def test_callers_that_go_at_once_say_nothing_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_HUNG_S", 1_000.0)
    async with Bench(always("slow"), timeout_s=30.0, breaker_failures=1) as bench:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.model.answer(MESSAGES, SCHEMA)
        assert not bench.counted.is_open
        assert bench.counted.calls == {}


# Settings


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    unopened = LanguageModel(LanguageModelSettings(base_url="http://127.0.0.1:1/v1", model="m"), Counted())
    with pytest.raises(ConfigurationError, match=r"freshet\[llm\]"):
        await unopened.__aenter__()


async def test_without_an_address_it_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match=r"language_model\.base_url"):
        await LanguageModel(LanguageModelSettings(), Counted()).__aenter__()
