"""Calls a language model, wherever it runs: bounded in time, number, tokens and trust."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from streams.errors import ConfigurationError
from streams.language_model_settings import LanguageModelSettings
from workers.language_model.circuit_breaker import CircuitBreaker
from workers.language_model.endpoint import Endpoint
from workers.language_model.local_model import LocalModel
from workers.language_model.token_budget import TokenBudget
from workers.language_model.transport import (
    CallMetrics,
    Completion,
    Message,
    NoAnswerError,
    Outcome,
    Transport,
)

# Tokens of a prompt are estimated before anybody counts them: a token has at least so many bytes.
_BYTES_PER_TOKEN: Final = 3
# The model did not work on the call.
_UNCHARGED: Final = frozenset(
    {"rate_limited", "server_error", "unreachable", "refused", "too_long", "loading"}
)
# It says nothing of whether the model works.
_SAYS_NOTHING: Final = frozenset({"too_long", "loading"})

# A caller with less patience than `timeout_s` that waited so long in vain tells something of the model.
_HUNG_S: Final = 1.0


class LanguageModel(AbstractAsyncContextManager["LanguageModel"]):
    """A language model behind an endpoint or in this process, as an asynchronous context manager.

    Raises:
        ConfigurationError: On entering: none is set, or what it needs is not there.
    """

    def __init__(
        self,
        settings: LanguageModelSettings,
        metrics: CallMetrics,
        *,
        breaker: CircuitBreaker | None = None,
        budget: TokenBudget | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._breaker = breaker or CircuitBreaker(settings.breaker_failures, settings.breaker_pause_s)
        self._budget = budget or TokenBudget(settings.tokens_per_minute, settings.tokens_per_day)
        self._slots = asyncio.Semaphore(self.concurrency)
        self._waiting = 0
        self._transport: Transport | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self._open.model

    @property
    def concurrency(self) -> int:
        """Calls at a time; what more is asked waits, within the caller's own time."""
        # A model in the process has one thread that decodes: what waits, waits here, where it can be left.
        return 1 if self._settings.local is not None else self._settings.concurrency

    def beside(self, metrics: CallMetrics) -> LanguageModel:
        """Another one, for another kind of question: what is open, its turns and the budget are shared.

        Its circuit is its own: what one asks may be more than the model can do, and the other not.
        """
        other = LanguageModel(self._settings, metrics, budget=self._budget)
        other._slots, other._transport = self._slots, self._open
        return other

    async def __aenter__(self) -> Self:
        transport = _transport(self._settings)
        self._transport = await transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.__aexit__(kind, error, trace)

    async def is_ready(self) -> None:
        """Wait until it can answer; who does not gets no answer meanwhile. See `Transport.is_ready`."""
        await self._open.is_ready()

    async def answer(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None = None
    ) -> str:
        """The content of an answer, tried again while that may help.

        Args:
            messages: Each with `role` and `content`.
            schema: JSON Schema that the answer is asked to meet; it may not.
            user: Who it is for, where the model may be told.

        Raises:
            NoAnswerError: There is none.
        """
        wait_s = self._settings.first_wait_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await self._in_turn(messages, schema, user)
            except NoAnswerError as error:
                asked_s = error.retry_after_s or 0.0
                if (
                    attempt == self._settings.attempts
                    or error.outcome not in self._open.may_pass
                    or asked_s > self._settings.longest_wait_s
                ):
                    raise
                await asyncio.sleep(max(asked_s, wait_s * random.uniform(0.5, 1.0)))
                wait_s = min(2 * wait_s, self._settings.longest_wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _in_turn(self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None) -> str:
        if self._slots.locked() and self._waiting >= self._settings.waiting_calls:
            self._metrics.called("busy", 0.0)
            raise NoAnswerError("busy", f"{self._waiting} calls wait for their turn already")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._try(messages, schema, user)
        finally:
            self._slots.release()

    async def _try(self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None) -> str:
        estimated = _estimated_tokens(messages)
        reserved = estimated + self._settings.max_tokens
        if not self._breaker.admit():
            self._metrics.called("circuit_open", 0.0)
            raise NoAnswerError("circuit_open", "it failed too often, and is left alone for a while")
        if not self._budget.reserve(reserved):
            self._breaker.abandoned()
            outcome: Outcome = "over_budget" if self._budget.has_room(reserved) else "too_long"
            self._metrics.called(outcome, 0.0)
            raise NoAnswerError(outcome, f"the budget of tokens has no room for {reserved}")
        started_s = perf_counter()
        try:
            completion = await self._call(messages, schema, user)
        except NoAnswerError as error:
            if error.outcome in _SAYS_NOTHING:
                self._breaker.abandoned()
            else:
                self._breaker.failed()
            self._budget.settle(reserved, 0 if error.outcome in _UNCHARGED else reserved)
            self._metrics.called(error.outcome, perf_counter() - started_s)
            raise
        except BaseException:
            seconds = perf_counter() - started_s
            if seconds >= _HUNG_S:
                self._breaker.failed()
                self._metrics.called("timeout", seconds)
            else:
                self._breaker.abandoned()
            raise
        finally:
            self._metrics.circuit(is_open=self._breaker.is_open)
        self._breaker.succeeded()
        self._metrics.circuit(is_open=False)
        prompt_tokens = estimated if completion.prompt_tokens is None else completion.prompt_tokens
        completion_tokens = (
            len(completion.content.encode(errors="replace")) // _BYTES_PER_TOKEN + 1
            if completion.completion_tokens is None
            else completion.completion_tokens
        )
        self._budget.settle(reserved, prompt_tokens + completion_tokens)
        self._metrics.called("ok", perf_counter() - started_s)
        cost = (
            prompt_tokens * self._settings.prompt_price + completion_tokens * self._settings.completion_price
        ) / 1_000_000
        self._metrics.used(prompt_tokens, completion_tokens, cost)
        return completion.content

    async def _call(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> Completion:
        try:
            # A client's own limit is from one byte to the next: an answer that trickles would never end.
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._open.complete(messages, schema, user)
        except TimeoutError:
            raise NoAnswerError("timeout", f"none within {self._settings.timeout_s:g} s") from None

    @property
    def _open(self) -> Transport:
        if self._transport is None:
            raise AssertionError("the language model is used before it is opened")
        return self._transport


def _transport(settings: LanguageModelSettings) -> Transport:
    if settings.local is not None:
        return LocalModel(settings.local, settings)
    if settings.base_url is None or settings.model is None:
        raise ConfigurationError(
            "a language model is to be used: set language_model.base_url and language_model.model, or "
            "language_model.local"
        )
    return Endpoint(settings.base_url, settings.model, settings)


def _estimated_tokens(messages: Sequence[Message]) -> int:
    return sum(len(one["content"].encode()) // _BYTES_PER_TOKEN + 8 for one in messages)
