"""A generator of words with a language model behind a real HTTP endpoint, for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from tests.unit.explaining.chat_answers import Json
from tests.unit.explaining.chat_server import ChatServer
from tests.unit.explaining.samples import LAMP
from workers.explaining.facts import ItemFacts
from workers.explaining.generator import Written
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import TemplateWriter
from workers.language_model.model import LanguageModel

MODEL = "test-model"
TEMPLATES = TemplateWriter("en", 240)


class Counted:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self.tokens = (0, 0)
        self.cost = 0.0
        self.is_open = False

    def called(self, outcome: str, seconds: float) -> None:
        self.calls[outcome] += 1

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        self.tokens = (self.tokens[0] + prompt_tokens, self.tokens[1] + completion_tokens)
        self.cost += cost

    def circuit(self, *, is_open: bool) -> None:
        self.is_open = is_open

    def complaint(self, kind: str) -> None:
        self.complaints[kind] += 1


class Bench:
    """A generator with an endpoint on a server. Use as an asynchronous context manager."""

    def __init__(self, behave: Callable[[Json, int], str], **settings: Any) -> None:
        self.server = ChatServer(behave)
        self.counted = Counted()
        self._resources = AsyncExitStack()
        self.settings = LanguageModelSettings(
            **{
                "base_url": self.server.base_url,
                "model": MODEL,
                "timeout_s": 60.0,
                "list_timeout_s": 60.0,
                "attempts": 1,
                "first_wait_s": 0.01,
                "longest_wait_s": 0.05,
                "breaker_failures": 1_000,
                "prompt_price": 2.0,
                "completion_price": 10.0,
                **settings,
            }
        )

    async def __aenter__(self) -> Bench:
        self._resources.enter_context(self.server)
        self.model = await self._resources.enter_async_context(LanguageModel(self.settings, self.counted))
        self.generator = LanguageModelGenerator(
            self.model, TEMPLATES, ExplainSettings(), self.settings, self.counted
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def write(self, *items: ItemFacts) -> Written:
        return await self.generator.write(items or (LAMP,), "anna-7")


def always(behaviour: str) -> Callable[[Json, int], str]:
    return lambda body, number: behaviour


def first(*behaviours: str) -> Callable[[Json, int], str]:
    """These, then honest."""
    return lambda body, number: behaviours[number] if number < len(behaviours) else "honest"


def template(*items: ItemFacts) -> tuple[str, ...]:
    return tuple(TEMPLATES.write_all(items or (LAMP,)))
