"""Of records of `profiles` each person's newest: a topic that is not compacted yet holds many others."""

from __future__ import annotations

import msgspec
from aiokafka import ConsumerRecord

# Records of so many bytes are held undecoded.
HELD_BYTES = 64 << 20


class ProfileHead(msgspec.Struct):
    """What of a `ProfileChanged` says whether a newer one is known, without the rest."""

    user_id: str
    version: int
    since_ms: int = 0


_head_decoder = msgspec.msgpack.Decoder(ProfileHead)


def profile_head(value: bytes) -> ProfileHead | None:
    """The head of a record's value; None where that is no changed profile."""
    try:
        return _head_decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class NewestProfiles:
    """Holds records undecoded, but for what says how new each is.

    Args:
        held_bytes: Beyond, `is_full`.
    """

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._held_bytes = held_bytes
        self._newest: dict[str, tuple[tuple[int, int, int], ConsumerRecord]] = {}
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether what is held is to be taken."""
        return self._bytes > self._held_bytes

    def hold(self, record: ConsumerRecord) -> bool:
        """Hold a record with a value, unless a newer one of its person is held.

        Of one version the one published last counts: a repeated event moves its position alone.

        Returns:
            Whether it was understood, held or not.
        """
        head = profile_head(record.value)
        if head is None:
            return False
        age = (head.since_ms, head.version, record.timestamp)
        held = self._newest.get(head.user_id)
        if held is None or age >= held[0]:
            self._newest[head.user_id] = (age, record)
            self._bytes += len(record.value) - (0 if held is None else len(held[1].value))
        return True

    def take(self) -> list[ConsumerRecord]:
        """The newest record of each person since the last call; none is held any more."""
        taken, self._newest, self._bytes = self._newest, {}, 0
        return [record for _, record in taken.values()]
