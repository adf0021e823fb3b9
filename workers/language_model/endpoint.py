"""Calls an endpoint that speaks OpenAI's chat completions: bounded in time, number, tokens and trust.

`openai` is imported here alone, and only where a language model is to be used.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

import structlog

from streams.errors import ConfigurationError, DependencyDownError
from streams.explain_settings import LanguageModelSettings
from workers.language_model.circuit_breaker import CircuitBreaker
from workers.language_model.token_budget import TokenBudget

Outcome = Literal[
    "ok", "timeout", "rate_limited", "server_error", "unreachable", "malformed", "refused", "over_budget",
    "circuit_open",
]  # fmt: skip
Message = Mapping[str, str]
# Tokens of a prompt are estimated before the endpoint counts them: a token has at least so many bytes.
_BYTES_PER_TOKEN: Final = 3
# What the endpoint says of itself; it did not work on the call.
_UNCHARGED: Final = frozenset({"rate_limited", "server_error", "unreachable", "refused"})
_TRIED_AGAIN: Final = frozenset({"timeout", "rate_limited", "server_error", "unreachable", "malformed"})

# A caller with less patience than `timeout_s` that waited so long in vain tells something of the endpoint.
_HUNG_S: Final = 1.0

_log = structlog.get_logger()


class EndpointError(DependencyDownError):
    """No answer is to be had now. ``outcome`` says why."""

    def __init__(self, outcome: Outcome, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"the language model gave no answer ({outcome}): {detail}")
        self.outcome: Outcome = outcome
        self.retry_after_s = retry_after_s


class EndpointMetrics(Protocol):
    """What an endpoint counts."""

    def called(self, outcome: Outcome, seconds: float) -> None:
        """One try, or a call that was not made."""

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """Tokens of an answer, and what they cost."""

    def circuit(self, *, is_open: bool) -> None:
        """Whether calls are held back."""


class Endpoint(AbstractAsyncContextManager["Endpoint"]):
    """An endpoint, as an asynchronous context manager.

    Raises:
        ConfigurationError: On entering: no endpoint is set, or the extra `llm` is not installed.
    """

    def __init__(
        self,
        settings: LanguageModelSettings,
        metrics: EndpointMetrics,
        *,
        breaker: CircuitBreaker | None = None,
        budget: TokenBudget | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._breaker = breaker or CircuitBreaker(settings.breaker_failures, settings.breaker_pause_s)
        self._budget = budget or TokenBudget(settings.tokens_per_minute, settings.tokens_per_day)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._openai: Any = None
        self._client: Any = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self._settings.model or ""

    async def __aenter__(self) -> Self:
        settings = self._settings
        if settings.base_url is None or settings.model is None:
            raise ConfigurationError(
                "a language model is to be used: set language_model.base_url and language_model.model"
            )
        try:
            import openai
        except ImportError as error:
            raise ConfigurationError(
                "a language model is to be used, which needs the package `openai`: "
                "pip install 'freshet[llm]', or set explain.generator to `template` and query.negations to "
                "`stated`"
            ) from error
        self._openai = openai
        key = settings.api_key
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            # Servers of one's own want none, the client wants one.
            api_key="none" if key is None else key.get_secret_value(),
            timeout=settings.timeout_s,
            max_retries=0,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def answer(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None = None
    ) -> str:
        """The content of an answer, tried again while that may help.

        Args:
            messages: Each with `role` and `content`.
            schema: JSON Schema that the answer is asked to meet; it may not.
            user: Who it is for, where the endpoint may be told.

        Raises:
            EndpointError: There is none.
        """
        wait_s = self._settings.first_wait_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                async with self._slots:
                    return await self._try(messages, schema, user)
            except EndpointError as error:
                asked_s = error.retry_after_s or 0.0
                if (
                    attempt == self._settings.attempts
                    or error.outcome not in _TRIED_AGAIN
                    or asked_s > self._settings.longest_wait_s
                ):
                    raise
                await asyncio.sleep(max(asked_s, wait_s * random.uniform(0.5, 1.0)))
                wait_s = min(2 * wait_s, self._settings.longest_wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _try(self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None) -> str:
        reserved = _estimated_tokens(messages) + self._settings.max_tokens
        if not self._breaker.admit():
            self._metrics.called("circuit_open", 0.0)
            raise EndpointError("circuit_open", "it failed too often, and is left alone for a while")
        if not self._budget.reserve(reserved):
            self._breaker.abandoned()
            self._metrics.called("over_budget", 0.0)
            raise EndpointError("over_budget", "the budget of tokens is used up")
        started_s = perf_counter()
        try:
            content, prompt_tokens, completion_tokens = await self._call(messages, schema, user)
        except EndpointError as error:
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
        self._budget.settle(reserved, prompt_tokens + completion_tokens)
        self._metrics.called("ok", perf_counter() - started_s)
        cost = (
            prompt_tokens * self._settings.prompt_price + completion_tokens * self._settings.completion_price
        ) / 1_000_000
        self._metrics.used(prompt_tokens, completion_tokens, cost)
        return content

    async def _call(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> tuple[str, int, int]:
        """The content, and the tokens read and written.

        Raises:
            EndpointError: Whatever the endpoint does wrong.
        """
        openai = self._openai
        options: dict[str, Any] = {} if user is None else {"user": user}
        if self._settings.response_format == "json_schema":
            described = {"name": "answer", "strict": True, "schema": dict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": described}
        elif self._settings.response_format == "json_object":
            options["response_format"] = {"type": "json_object"}
        try:
            # The client's own limit is from one byte to the next: an answer that trickles would never end.
            async with asyncio.timeout(self._settings.timeout_s):
                completion = await self._client.chat.completions.create(
                    model=self._settings.model,
                    messages=list(messages),
                    max_tokens=self._settings.max_tokens,
                    temperature=self._settings.temperature,
                    **options,
                )
            return _read(completion, messages)
        except EndpointError:
            raise
        except (TimeoutError, openai.APITimeoutError):
            raise EndpointError("timeout", f"none within {self._settings.timeout_s:g} s") from None
        except openai.RateLimitError as error:
            raise EndpointError("rate_limited", "it is asked too often", _retry_after_s(error)) from None
        except openai.APIStatusError as error:
            status = error.status_code
            outcome: Outcome = "server_error" if status >= 500 or status in (408, 409) else "refused"
            raise EndpointError(outcome, f"status {status}", _retry_after_s(error)) from None
        except openai.APIConnectionError as error:
            raise EndpointError("unreachable", str(error)[:200]) from None
        except Exception as error:
            # What a stranger sends may break the client's parser in ways that it does not name.
            _log.debug("an answer of the language model cannot be read", exc_info=error)
            raise EndpointError("malformed", type(error).__name__) from None


def _read(completion: Any, messages: Sequence[Message]) -> tuple[str, int, int]:
    choices = getattr(completion, "choices", None)
    if not choices:
        raise EndpointError("malformed", "it holds no choices")
    choice = choices[0]
    content = getattr(getattr(choice, "message", None), "content", None)
    if not isinstance(content, str):
        raise EndpointError("malformed", "it holds no text")
    # One that was cut off at max_tokens goes to the check as it is, and fails there.
    usage = getattr(completion, "usage", None)
    prompt_tokens = _tokens(getattr(usage, "prompt_tokens", None), _estimated_tokens(messages))
    completion_tokens = _tokens(
        getattr(usage, "completion_tokens", None),
        len(content.encode(errors="replace")) // _BYTES_PER_TOKEN + 1,
    )
    return content, prompt_tokens, completion_tokens


def _tokens(told: object, estimated: int) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else estimated


def _estimated_tokens(messages: Sequence[Message]) -> int:
    return sum(len(one["content"].encode()) // _BYTES_PER_TOKEN + 8 for one in messages)


def _retry_after_s(error: Any) -> float | None:
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except (AttributeError, TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
