"""Reading what is asked for in words: vectors, memory, negations with and without a language model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import numpy as np
import pytest

from streams.errors import ConfigurationError
from streams.query_settings import QuerySettings
from streams.settings import Settings
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.language_model.model import LanguageModel
from workers.language_model.negations import NegationReader, Separated, checked
from workers.language_model.transport import NoAnswerError
from workers.query_reader import QueriesOff, QueryReader, ReadsQueries, Vector
from workers.wiring.language_model import WorkersLanguageModel
from workers.wiring.queries import wire_queries

TEXT = "quiet piano, no vocals"


class Words:
    """An encoder whose dimensions are words, and a language model that may be away."""

    known = ("quiet", "piano", "vocals")

    def __init__(self, separated: Separated | None = None) -> None:
        self.separated = separated
        self.encoded: list[str] = []
        self.asked: list[str] = []

    async def encode(self, text: str) -> Vector:
        self.encoded.append(text)
        return np.array([word in text for word in self.known], np.float32)

    @staticmethod
    def fuse(feature: Vector) -> Vector | None:
        length = float(np.linalg.norm(feature))
        return feature / length if length else None

    async def separate(self, text: str) -> Separated | None:
        self.asked.append(text)
        return self.separated


def reader(words: Words, *, model: bool = False, **settings: object) -> QueryReader:
    query = QuerySettings.model_validate(settings)
    return QueryReader(query, words.encode, words.fuse, words if model else None)


async def test_words_are_encoded_once_cleaned_and_bounded() -> None:
    words = Words()
    reads = reader(words, max_characters=20)
    assert reads.known("quiet piano") is None
    first = await reads.read("  quiet\u202e piano " + "x" * 4_000)
    assert words.encoded == ["quiet piano " + "x" * 8]
    assert first.answer.used
    assert first.vector is not None
    assert float(np.linalg.norm(first.vector)) == pytest.approx(1.0)
    assert await reads.read("quiet piano " + "x" * 500) is first
    assert len(words.encoded) == 1


async def test_the_words_used_longest_ago_are_forgotten() -> None:
    reads = reader(Words(), cache_entries=2)
    for text in ("quiet", "piano", "quiet", "vocals"):
        await reads.read(text)
    assert reads.known("quiet") is not None
    assert reads.known("piano") is None


async def test_words_that_say_nothing_do_not_count_and_that_is_said() -> None:
    for text in ("zxqv", "\u202e"):
        asked = await reader(Words()).read(text)
        assert asked.vector is None
        assert not asked.answer.used
        assert asked.answer.detail


async def test_negations_are_stated_as_not_understood() -> None:
    asked = await reader(Words()).read(TEXT)
    assert asked.vector is not None
    assert asked.answer.negations == "unsupported"
    assert "not understood" in (asked.answer.detail or "")


async def test_a_language_model_tells_what_is_not_wanted() -> None:
    words = Words(Separated("quiet piano", ("vocals",)))
    asked = await reader(words, model=True).read(TEXT)
    assert asked.vector is not None
    assert asked.answer.negations == "heeded"
    assert asked.vector[2] < 0 < asked.vector[0]


async def test_it_is_not_asked_where_nothing_negates() -> None:
    words = Words()
    asked = await reader(words, model=True).read("quiet piano")
    assert words.asked == []
    assert asked.answer.negations == "none"


async def test_where_it_is_away_that_is_stated_and_not_remembered() -> None:
    words = Words()
    reads = reader(words, model=True)
    assert (await reads.read(TEXT)).answer.negations == "unsupported"
    assert reads.known(TEXT) is None
    words.separated = Separated("quiet piano", ("vocals",))
    assert (await reads.read(TEXT)).answer.negations == "heeded"


async def test_switched_off_it_says_so() -> None:
    asked = await QueriesOff().read("quiet piano")
    assert asked.vector is None
    assert "query.enabled" in (asked.answer.detail or "")


@pytest.mark.parametrize(
    ("answer", "separated"),
    [
        ({"wanted": "quiet piano", "unwanted": ["vocals"]}, Separated("quiet piano", ("vocals",))),
        ({"wanted": "Quiet", "unwanted": [" ", "vocals "]}, Separated("Quiet", ("vocals",))),
        ({"wanted": "quiet piano by a famous artist", "unwanted": []}, None),
        ({"wanted": "", "unwanted": ["drums"]}, None),
        ({"wanted": "quiet", "unwanted": ["vocals"] * 9}, None),
        ({"wanted": "quiet"}, None),
        ({"wanted": 1, "unwanted": []}, None),
        (["quiet"], None),
    ],
)
def test_an_answer_counts_only_if_it_is_made_of_the_persons_words(
    answer: object, separated: Separated | None
) -> None:
    assert checked(json.dumps(answer), TEXT) == separated


@pytest.mark.parametrize("content", ["", "prose", "[" * 5_000, "\ud800"])
def test_what_is_no_answer_is_none(content: str) -> None:
    assert checked(content, TEXT) is None


class FakeModel:
    """Answers with a text, fails, or keeps one waiting."""

    def __init__(self, content: str | NoAnswerError | None) -> None:
        self.content = content
        self.told: list[str] = []

    async def answer(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        self.told.append(messages[-1]["content"])
        if self.content is None:
            await asyncio.sleep(60)
        if isinstance(self.content, NoAnswerError):
            raise self.content
        return self.content or ""


@pytest.mark.parametrize(
    ("content", "separated"),
    [
        ('{"wanted": "quiet piano", "unwanted": ["vocals"]}', Separated("quiet piano", ("vocals",))),
        (NoAnswerError("circuit_open", "left alone"), None),
        (None, None),
    ],
)
async def test_a_language_model_is_told_the_words_alone_and_waited_for_within_a_time(
    content: str | NoAnswerError | None, separated: Separated | None
) -> None:
    model = FakeModel(content)
    reads = NegationReader(cast(LanguageModel, model), timeout_s=0.05)
    assert await reads.separate(TEXT) == separated
    assert [json.loads(one) for one in model.told] == [{"words": TEXT}]


async def wired(**sections: Any) -> ReadsQueries:
    settings = Settings(**sections)
    registry = encoder_registry(settings)
    async with AsyncExitStack() as resources:
        model = WorkersLanguageModel(settings.language_model, resources)
        reads = await wire_queries(settings, registry, fusion_in_use(settings, registry), resources, model)
        await reads.read("quiet piano music")
        return reads


async def test_words_have_vectors_in_the_space_of_items() -> None:
    reads = await wired()
    asked = reads.known("quiet piano music")
    assert asked is not None
    assert asked.vector is not None
    assert asked.vector.shape == (256,)
    assert float(np.linalg.norm(asked.vector)) == pytest.approx(1.0, abs=1e-5)


async def test_it_can_be_switched_off() -> None:
    asked = (await wired(query={"enabled": False})).known("quiet piano music")
    assert asked is not None
    assert not asked.answer.used


async def test_a_language_model_is_told_what_people_ask_for_only_where_that_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match="personal_fields"):
        await wired(query={"negations": "language_model"})
