"""An endpoint that speaks OpenAI's chat completions.

`openai` is imported here alone, and only where an endpoint is to be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import structlog

from streams.errors import ConfigurationError
from streams.language_model_settings import LanguageModelSettings
from workers.language_model.transport import Completion, Message, NoAnswerError, Outcome

_MAY_PASS: Final[frozenset[Outcome]] = frozenset(
    {"timeout", "rate_limited", "server_error", "unreachable", "malformed"}
)

_log = structlog.get_logger()


class Endpoint:
    """An endpoint, as an asynchronous context manager; see `Transport`.

    Raises:
        ConfigurationError: On entering: the extra `llm` is not installed.
    """

    def __init__(self, base_url: str, model: str, settings: LanguageModelSettings) -> None:
        self._base_url = base_url
        self._model = model
        self._settings = settings
        self._openai: Any = None
        self._client: Any = None

    @property
    def model(self) -> str:
        """See `Transport.model`."""
        return self._model

    @property
    def may_pass(self) -> frozenset[Outcome]:
        """See `Transport.may_pass`."""
        return _MAY_PASS

    async def __aenter__(self) -> Self:
        try:
            import openai
        except ImportError as error:
            raise ConfigurationError(
                "a language model is to be used, which needs the package `openai`: "
                "pip install 'freshet[llm]', or set explain.generator to `template`, query.negations to "
                "`stated`, and refine.enabled and enrich.enabled to false"
            ) from error
        self._openai = openai
        key = self._settings.api_key
        self._client = openai.AsyncOpenAI(
            base_url=self._base_url,
            # Servers of one's own want none, the client wants one.
            api_key="none" if key is None else key.get_secret_value(),
            timeout=self._settings.timeout_s,
            max_retries=0,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def is_ready(self) -> None:
        """See `Transport.is_ready`."""

    async def complete(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> Completion:
        """See `Transport.complete`."""
        openai = self._openai
        options: dict[str, Any] = {} if user is None else {"user": user}
        if self._settings.response_format == "json_schema":
            described = {"name": "answer", "strict": True, "schema": dict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": described}
        elif self._settings.response_format == "json_object":
            options["response_format"] = {"type": "json_object"}
        try:
            completion = await self._client.chat.completions.create(
                model=self._model,
                messages=list(messages),
                max_tokens=self._settings.max_tokens,
                temperature=self._settings.temperature,
                **options,
            )
            return _read(completion)
        except NoAnswerError:
            raise
        except openai.APITimeoutError:
            raise NoAnswerError("timeout", f"none within {self._settings.timeout_s:g} s") from None
        except openai.RateLimitError as error:
            raise NoAnswerError("rate_limited", "it is asked too often", _retry_after_s(error)) from None
        except openai.APIStatusError as error:
            status = error.status_code
            raise NoAnswerError(outcome_of(status), f"status {status}", _retry_after_s(error)) from None
        except openai.APIConnectionError as error:
            raise NoAnswerError("unreachable", str(error)[:200]) from None
        except Exception as error:
            # What a stranger sends may break the client's parser in ways that it does not name.
            _log.debug("an answer of the language model cannot be read", exc_info=error)
            raise NoAnswerError("malformed", type(error).__name__) from None


def outcome_of(status: int) -> Outcome:
    """What a status of HTTP says of the call."""
    if status >= 500 or status in (408, 409):
        return "server_error"
    # What servers say where a prompt is longer than their model reads: of this call, not of the endpoint.
    return "too_long" if status in (400, 413, 422) else "refused"


def _read(completion: Any) -> Completion:
    choices = getattr(completion, "choices", None)
    if not choices:
        raise NoAnswerError("malformed", "it holds no choices")
    choice = choices[0]
    content = getattr(getattr(choice, "message", None), "content", None)
    if not isinstance(content, str):
        raise NoAnswerError("malformed", "it holds no text")
    # One that was cut off at max_tokens goes to the check as it is, and fails there.
    usage = getattr(completion, "usage", None)
    return Completion(
        content,
        _tokens(getattr(usage, "prompt_tokens", None)),
        _tokens(getattr(usage, "completion_tokens", None)),
    )


def _tokens(told: object) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _retry_after_s(error: Any) -> float | None:
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except (AttributeError, TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
