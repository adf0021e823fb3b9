"""What every fault has: it is injected, lasts, and is healed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection


class Fault(ABC):
    """One fault.

    Attributes:
        name: What is counted under.
        target: Where it was injected: a slot, or a server.
        duration_s: Between injecting and healing.
        roles: Whose work it holds up.
        is_kill: A process was killed (SIGKILL).
    """

    name: str
    is_kill = False

    def __init__(self, target: str, roles: Collection[str], duration_s: float = 0.0) -> None:
        self.target = target
        self.roles = tuple(roles)
        self.duration_s = duration_s

    @abstractmethod
    def inject(self) -> None:
        """Let it happen."""

    def is_back(self) -> bool:
        """Whether the worker that it hit works again. Called from another thread."""
        return True

    @abstractmethod
    def heal(self) -> int:
        """Let it end; how many processes, connections, commands or replies felt it. 0: it hit nothing."""
