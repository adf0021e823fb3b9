"""How many tokens may be used per minute and per day."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0


class TokenBudget:
    """Counts tokens in windows of a minute and a day. What is reserved counts until it is settled.

    Args:
        per_minute: 0 sets no limit.
        per_day: Likewise.
        clock: Seconds, never going back.
    """

    def __init__(self, per_minute: int, per_day: int, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows = [
            _Window(limit, length_s, clock())
            for limit, length_s in ((per_minute, MINUTE_S), (per_day, DAY_S))
            if limit
        ]

    def reserve(self, tokens: int) -> bool:
        """Set tokens aside for a call; False, and nothing is set aside, where a window has no room."""
        now_s = self._clock()
        for window in self._windows:
            window.advance(now_s)
        if any(window.used + tokens > window.limit for window in self._windows):
            return False
        for window in self._windows:
            window.used += tokens
        return True

    def has_room(self, tokens: int) -> bool:
        """Whether a window has room for so many at its start."""
        return all(tokens <= window.limit for window in self._windows)

    def settle(self, reserved: int, used: int) -> None:
        """A call that ``reserved`` was set aside for has used so many."""
        for window in self._windows:
            # Where a window has begun since, the difference is counted in the wrong one: by one call at most.
            window.used = max(0, window.used + used - reserved)


class _Window:
    def __init__(self, limit: int, length_s: float, now_s: float) -> None:
        self.limit = limit
        self.used = 0
        self._length_s = length_s
        self._began_s = now_s

    def advance(self, now_s: float) -> None:
        if now_s - self._began_s >= self._length_s:
            self._began_s = now_s
            self.used = 0
