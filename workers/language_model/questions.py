"""A question about data put to a language model, and the one JSON object that its answer should hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from workers.language_model.transport import Message, NoAnswerError

# More than any answer may be, with room for a model's habits around its JSON.
MAX_ANSWER_CHARACTERS: Final = 20_000

_log = structlog.get_logger()

Answer = TypeVar("Answer")


class AnswersMessages(Protocol):
    """A language model, as `workers.language_model.model.LanguageModel` is one."""

    @property
    def model(self) -> str:
        """Its name."""

    async def answer(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None = None
    ) -> str:
        """See `LanguageModel.answer`."""


async def ask(
    model: AnswersMessages,
    instructions: str,
    told: Mapping[str, Any],
    schema: Mapping[str, Any],
    timeout_s: float,
    *,
    without: str,
) -> str | None:
    """What a model answers, within a time; None where it does not.

    Args:
        told: Data, sent as a JSON object apart from the instructions.
        without: What is so without an answer, for the log.

    Raises:
        NoAnswerError: It was not asked: another time may do; see `NOT_MADE`.
    """
    messages = [
        {"role": "system", "content": instructions},
        {"role": "user", "content": msgspec.json.encode(told).decode()},
    ]
    try:
        async with asyncio.timeout(timeout_s):
            return await model.answer(messages, schema)
    except (TimeoutError, NoAnswerError) as error:
        _log.debug(without, because=str(error) or "timeout")
        if isinstance(error, NoAnswerError) and error.is_unasked:
            raise
        return None


def object_in(content: str, kind: type[Answer]) -> Answer | None:
    """The object from the first brace to the last, as a struct; None where there is none, or another."""
    # Some models write around their JSON, or fence it, where nothing holds them to it.
    begin, end = content.find("{"), content.rfind("}")
    if len(content) > MAX_ANSWER_CHARACTERS or begin < 0 or end < begin:
        return None
    try:
        return msgspec.json.decode(content[begin : end + 1].encode(errors="replace"), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
