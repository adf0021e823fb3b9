"""What a language model is measured by: one that knows helps, one that knows nothing changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.datasets import open_dataset
from streams.settings import Settings
from tests.unit.evaluation.tiny_dataset import tiny_items, write_dataset
from tests.unit.explaining.chat_server import ChatServer
from workers.cli.running import run
from workers.evaluation.language_model_stages import measure_enriching, measure_refining
from workers.evaluation.next_items import compare
from workers.evaluation.sources import dataset_source
from workers.language_model.transport import Message, NoAnswerError

SETTINGS = Settings(refine={"attributes": ("taste",)})


class Told:
    """A model that answers by a function of what it is told."""

    model = "told"

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def answer(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None = None
    ) -> str:
        return json.dumps(self._answer(json.loads(messages[1]["content"])))


def of_the_same_taste_first(told: dict[str, Any]) -> dict[str, Any]:
    """An attribute says what taste an item is to."""
    chosen = [one["taste"] for one in told["chosen"]]
    ordered = sorted(told["candidates"], key=lambda one: one["taste"] not in chosen)
    return {"order": [one["id"] for one in ordered]}


def of_other_tastes_first(told: dict[str, Any]) -> dict[str, Any]:
    return {"order": of_the_same_taste_first(told)["order"][::-1]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set with texts that tell nothing of the taste."""
    items = [
        {**one, "title": f"Number {number}", "description": "", "media": []}
        for number, one in enumerate(tiny_items())
    ]
    return write_dataset(tmp_path_factory.mktemp("data") / "tiny", items)


def refining(folder: Path, answer: Any, model: type[Told] = Told) -> Any:
    data = open_dataset(folder)
    source = dataset_source(data, SETTINGS, ["text"])
    with asyncio.Runner() as runner:
        return measure_refining(
            data,
            source.index,
            source.events,
            SETTINGS,
            model(answer),
            runner,
            ranker="base",
            warm_up=6,
            cases=50,
        )


def test_one_that_orders_by_taste_does_no_worse_and_is_told_so(folder: Path) -> None:
    report = refining(folder, of_the_same_taste_first)
    assert report.comparison.cases > 5
    # No more than three of a taste are left; who has only turned down items has told none.
    assert report.comparison.after["hr@5"] > 0.9
    assert report.comparison.after["mrr"] > report.comparison.before["mrr"]
    assert set(report.outcomes) <= {"reordered", "unchanged"}


def test_one_that_orders_against_taste_harms(folder: Path) -> None:
    report = refining(folder, of_other_tastes_first)
    assert report.comparison.after["mrr"] < report.comparison.before["mrr"]
    assert report.comparison.difference.high < 0


@pytest.mark.parametrize("answer", [lambda told: {"order": []}, lambda told: "no"])
def test_one_whose_answers_are_no_orders_changes_nothing(folder: Path, answer: Any) -> None:
    report = refining(folder, answer)
    assert set(report.outcomes) == {"invalid"}
    assert report.comparison.before == report.comparison.after
    assert (report.comparison.difference.low, report.comparison.difference.high) == (0.0, 0.0)


class Silent(Told):
    """May not be asked every other time."""

    asked = 0

    async def answer(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None = None
    ) -> str:
        self.asked += 1
        if self.asked % 2:
            raise NoAnswerError("over_budget", "used up")
        return await super().answer(messages, schema, user)


def test_what_was_not_asked_is_told_apart(folder: Path) -> None:
    report = enriching(folder, lambda told: {}, Silent)
    assert (report.outcomes, report.not_asked) == ({"nothing_said": 6}, 6)
    report = refining(folder, of_other_tastes_first, Silent)
    assert report.not_asked >= report.comparison.cases // 2
    assert sum(report.outcomes.values()) + report.not_asked == report.comparison.cases


def enriching(folder: Path, answer: Any, model: type[Told] = Told) -> Any:
    data = open_dataset(folder)
    with asyncio.Runner() as runner:
        return measure_enriching(
            data,
            list(data.events()),
            SETTINGS,
            model(answer),
            runner,
            ranker="base",
            warm_up=6,
            cases=50,
            items=100,
        )


def test_one_that_tells_nothing_of_items_changes_nothing(folder: Path) -> None:
    report = enriching(folder, lambda told: {"tags": [], "mood": ["unheard of"], "audience": []})
    assert report.outcomes == {"nothing_said": 12}
    assert report.comparison.before == report.comparison.after


def test_what_is_told_of_items_reaches_their_vectors(folder: Path) -> None:
    moods = ("calm", "exciting", "tense")

    def of_taste(told: dict[str, Any]) -> dict[str, Any]:
        return {"mood": [moods[int(told["text"].split()[1]) // 4]], "tags": ["number"]}

    report = enriching(folder, of_taste)
    assert report.outcomes == {"enriched": 12}
    assert report.details == {"items": 12, "tags": 12, "moods": 12, "audiences": 0}
    assert report.comparison.after["mrr"] > report.comparison.before["mrr"]


def test_places_are_compared_choice_by_choice() -> None:
    found = compare(["a", "a", "b"], [0, None, 3], [1, 0, 3])
    assert (found.cases, found.people) == (3, 2)
    assert found.before == pytest.approx({"mrr": 1.25 / 3, "hr@1": 1 / 3, "hr@5": 2 / 3, "hr@20": 2 / 3})
    assert found.after["mrr"] == pytest.approx(1.75 / 3)
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(0.5 / 3)


def test_the_command_asks_the_endpoint_of_the_settings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openai", reason="the extra `llm` is not installed")
    with ChatServer(lambda body, number: "500") as server:
        code = run(
            [
                *("evaluate", "language-model", "--stage", "refine", "--dataset", str(folder)),
                *("--cases", "3", "--warm-up", "6", "--json", "-"),
                *("-o", f"language_model.base_url={server.base_url}", "-o", "language_model.model=m"),
                *("-o", "language_model.attempts=1", "-o", "language_model.breaker_failures=1"),
                *("-o", "language_model.tokens_per_minute=50", "-o", "language_model.tokens_per_day=50"),
            ]
        )
    shown = capsys.readouterr()
    assert code == 0, shown.err
    report = json.loads(shown.out)
    # No budget and no circuit breaker comes between: it is asked of each, however often it has failed.
    assert report["outcomes"] == {"no_answer": 3}
    assert report["not_asked"] == 0
    assert report["comparison"]["before"] == report["comparison"]["after"]
    assert "cannot be told from doing nothing" in shown.err


def test_without_a_model_it_says_what_to_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "language-model", "--stage", "refine", "--dataset", str(folder)]) != 0
    assert "language_model.base_url" in capsys.readouterr().err
