"""Ending on Ctrl-C, SIGTERM or a closed terminal, from wherever a command is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(BaseException):
    """Somebody wants the command to end. Not an Exception: nothing on the way takes it for a failure."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `StopAsked` within, at the first signal; further ones are ignored: stopping is orderly."""

    def stop(number: int, frame: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise StopAsked

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
