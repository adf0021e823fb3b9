"""Just enough of RESP to count the commands that a client sends."""

from __future__ import annotations


class RedisCommands:
    """Counts complete commands (arrays of bulk strings) in a stream of bytes."""

    def __init__(self) -> None:
        self._pending = b""
        self._arguments = 0

    @property
    def is_between(self) -> bool:
        """Whether the last command is complete."""
        return not self._pending and not self._arguments

    def feed(self, data: bytes) -> int:
        """How many commands are complete with these bytes."""
        buffer, at, complete = self._pending + data, 0, 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            if not self._arguments:
                if buffer[at : at + 1] != b"*":
                    raise ValueError(f"no command of Redis: {buffer[at : at + 40]!r}")
                self._arguments = int(buffer[at + 1 : end])
                at = end + 2
                continue
            size = int(buffer[at + 1 : end])
            if len(buffer) < end + 2 + size + 2:
                break
            at = end + 2 + size + 2
            self._arguments -= 1
            complete += not self._arguments
        self._pending = buffer[at:]
        return complete
