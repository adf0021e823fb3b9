"""How calls reach a language model, wherever it runs: what every way to one answers, raises and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from streams.errors import DependencyDownError

Outcome = Literal[
    "ok", "timeout", "rate_limited", "server_error", "unreachable", "malformed", "refused", "failed",
    "too_long", "over_budget", "circuit_open", "busy", "loading",
]  # fmt: skip
# Outcomes of calls that were not made: they say nothing of what was to be asked.
NOT_MADE: Final[frozenset[Outcome]] = frozenset({"over_budget", "circuit_open", "busy", "loading"})
Message = Mapping[str, str]


class NoAnswerError(DependencyDownError):
    """No answer is to be had now. ``outcome`` says why."""

    def __init__(self, outcome: Outcome, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"the language model gave no answer ({outcome}): {detail}")
        self.outcome: Outcome = outcome
        self.retry_after_s = retry_after_s

    @property
    def is_unasked(self) -> bool:
        """Whether nobody was asked."""
        return self.outcome in NOT_MADE


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer.

    Attributes:
        content: Its text.
        prompt_tokens: Tokens read; None where nobody counted them.
        completion_tokens: Tokens written, likewise.
    """

    content: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Transport(AbstractAsyncContextManager["Transport"], Protocol):
    """A way to a language model. One is open between entering and leaving it.

    Raises:
        ConfigurationError: On entering: it cannot work as it is set.
    """

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def may_pass(self) -> frozenset[Outcome]:
        """The failures that another try may not have."""

    async def is_ready(self) -> None:
        """Wait until it can answer: a model in the process is loaded beside what else goes on.

        Raises:
            ConfigurationError: It never will.
        """

    async def complete(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> Completion:
        """One try, however long it takes; cancelling ends it.

        Args:
            messages: Each with `role` and `content`.
            schema: JSON Schema that the answer is asked to meet; it may not.
            user: Who it is for, where the model may be told.

        Raises:
            NoAnswerError: There is none.
        """


class CallMetrics(Protocol):
    """What is counted of calls."""

    def called(self, outcome: Outcome, seconds: float) -> None:
        """One try, or a call that was not made."""

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """Tokens of an answer, and what they cost."""

    def circuit(self, *, is_open: bool) -> None:
        """Whether calls are held back."""
