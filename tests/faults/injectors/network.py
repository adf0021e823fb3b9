"""Faults of the network between one worker and Kafka or Redis."""

from __future__ import annotations

from tests.faults.injectors.fault import Fault
from tests.faults.proxy import Proxy
from tests.faults.slot import Slot


class _OfLink(Fault):
    """Between a slot and a server.

    Args:
        to: ``Kafka`` or ``Redis``.
    """

    what: str

    def __init__(self, slot: Slot, to: str, duration_s: float) -> None:
        super().__init__(slot.name, [slot.role], duration_s)
        self.name = f"{self.what} {to}"
        self._proxy: Proxy = slot.kafka if to == "Kafka" else slot.redis
        self._slot = slot
        self._felt = 0

    def is_back(self) -> bool:
        return self._slot.is_ready


class Cut(_OfLink):
    """Nothing passes for a while, in either direction; then everything does. Felt: chunks held back."""

    what = "cut off from"

    def inject(self) -> None:
        self._proxy.cut()

    def heal(self) -> int:
        return self._proxy.join()


class LongCut(Cut):
    """Longer than the session time-out: the group gives the worker up, which does not know."""

    what = "long cut off from"


class Reset(_OfLink):
    """Every connection is reset, and none is accepted for a while. Felt: connections reset."""

    what = "reset by"

    def inject(self) -> None:
        self._felt = self._proxy.reset(accepts=False)

    def heal(self) -> int:
        self._proxy.accept()
        return self._felt


class Slow(_OfLink):
    """Everything is late for a while. Felt: chunks that were late."""

    what = "slow link to"

    def __init__(self, slot: Slot, to: str, duration_s: float, delay_s: float) -> None:
        super().__init__(slot, to, duration_s)
        self._delay_s = delay_s

    def inject(self) -> None:
        self._proxy.slow(self._delay_s)

    def heal(self) -> int:
        return self._proxy.no_longer_slow()


class LostReply(_OfLink):
    """What is asked for is done, the answer is lost, and the connection with it. Felt: replies lost."""

    what = "reply lost of"

    def inject(self) -> None:
        self._proxy.lose_replies(1)

    def heal(self) -> int:
        return self._proxy.no_longer_lose()


class RedisRefuses(_OfLink):
    """Every command is answered with an error. Felt: commands refused."""

    ERRORS = (
        "LOADING Redis is loading the dataset in memory",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "READONLY You can't write against a read only replica.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    )
    what = "refused by"

    def __init__(self, slot: Slot, duration_s: float, error: str) -> None:
        super().__init__(slot, "Redis", duration_s)
        self.name = f"refused by Redis ({error.split(' ')[0]})"
        self._error = error

    def inject(self) -> None:
        self._proxy.refuse(self._error)

    def heal(self) -> int:
        return self._proxy.no_longer_refuse()
