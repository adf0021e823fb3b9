"""A circuit breaker: what keeps failing is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class CircuitBreaker:
    """Opens after so many failures in a row; then lets one call through after each pause.

    Args:
        failures: In a row, after which it opens.
        pause_s: For how long nothing is let through.
        clock: Seconds, never going back.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failed = 0
        self._closed_until_s = 0.0
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether it has failed too often, and nothing has succeeded since."""
        return self._failed >= self._failures

    def admit(self) -> bool:
        """Whether a call may be made now. One that is must be reported."""
        if not self.is_open:
            return True
        if self._is_trying or self._clock() < self._closed_until_s:
            return False
        self._is_trying = True
        return True

    def succeeded(self) -> None:
        """A call that was admitted succeeded: it is closed."""
        self._failed = 0
        self._is_trying = False

    def failed(self) -> None:
        """A call that was admitted failed."""
        self._failed += 1
        self._is_trying = False
        if self.is_open:
            self._closed_until_s = self._clock() + self._pause_s

    def abandoned(self) -> None:
        """A call that was admitted ended without saying anything of the other side."""
        self._is_trying = False
