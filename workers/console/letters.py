"""Dead letters for a page: the newest as they come, one with its payload, and its replay."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord

from streams.client import FreshetClient
from streams.codec import decode_value
from streams.dead_letter_box import StoredDeadLetter, replay, stored_dead_letter
from streams.errors import BadInputError, InvalidError
from streams.messages import DeadLetter
from streams.settings import Settings
from streams.topics import DEAD_LETTERS
from workers.console.hub import Hub

LETTERS = "letters"
HELD_LETTERS = 200
SHOWN_PAYLOAD_CHARACTERS = 20_000


class Letters:
    """The newest dead letters without their payloads, by number."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self._held: OrderedDict[int, dict[str, Any]] = OrderedDict()
        # Each opens connections of its own to Kafka: one at a time is enough for people.
        self._one_at_a_time = asyncio.Lock()

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `dead-letters`."""
        for record in records:
            try:
                letter = decode_value(record.value or b"", DEAD_LETTERS)
            except BadInputError:
                continue
            shown = _shown(record.offset, letter)
            self._held[record.offset] = shown
            if len(self._held) > HELD_LETTERS:
                self._held.popitem(last=False)
            self._hub.publish(LETTERS, "letter", shown)

    def newest(self) -> list[dict[str, Any]]:
        """Those held, newest first."""
        return list(reversed(self._held.values()))

    async def find(self, number: int) -> dict[str, Any]:
        """One with its payload as text.

        Raises:
            InvalidError: There is none of that number (any more).
            ConfigurationError, DependencyDownError: Kafka refuses, or does not answer.
        """
        async with self._one_at_a_time:
            stored = await asyncio.to_thread(self._stored, number)
        payload = None
        if stored.letter.payload is not None:
            try:
                payload = base64.b64decode(stored.letter.payload).decode(errors="replace")
            except binascii.Error:
                payload = stored.letter.payload
        return {
            **_shown(number, stored.letter),
            "payload": None if payload is None else payload[:SHOWN_PAYLOAD_CHARACTERS],
            "left_out_characters": max(0, len(payload or "") - SHOWN_PAYLOAD_CHARACTERS),
        }

    async def replay(self, number: int) -> None:
        """Publish its message again; see `streams.dead_letter_box.replay`.

        Raises:
            InvalidError: There is none of that number, or it cannot be replayed: says why.
            ConfigurationError, DependencyDownError: As `find`.
        """
        async with self._one_at_a_time:
            await asyncio.to_thread(self._replay, number)

    def _stored(self, number: int) -> StoredDeadLetter:
        stored = stored_dead_letter(self._settings, number)
        if stored is None:
            raise InvalidError(f"there is no dead letter {number} (any more)")
        return stored

    def _replay(self, number: int) -> None:
        with FreshetClient(self._settings.kafka, self._settings.topics.prefix) as client:
            replay(self._settings, client, self._stored(number))


def _shown(number: int, letter: DeadLetter) -> dict[str, Any]:
    source = letter.source
    return {
        "number": number,
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "failed_at": letter.failed_at,
        "source": {
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
            "key": source.key,
        },
    }
