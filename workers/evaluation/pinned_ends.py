"""Where reading of topics ends, kept in a file: a run that was stopped reads the same when it goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from streams.errors import BadInputError
from streams.topic_reader import TopicReader

Ends = dict[str, dict[int, int]]
"""Topic → partition → the offset before which reading ends."""


class PinnedEnds:
    """The ends of topics as they were when each was first asked for.

    Args:
        path: The file that keeps them; None: ends are those of now.
        goes_on: Whether to begin with what the file has; else it is written anew.

    Raises:
        BadInputError: The file is damaged.
    """

    def __init__(self, path: Path | None = None, *, goes_on: bool = False) -> None:
        self._path = path
        self._ends: Ends = {}
        if path is not None and goes_on and path.exists():
            try:
                self._ends = msgspec.json.decode(path.read_bytes(), type=Ends)
            except msgspec.DecodeError as error:
                raise BadInputError(f"{path} says of no topic where it ended: {error}. Delete it.") from None

    def of(self, reader: TopicReader, topic: str) -> dict[int, int]:
        """The offset of each of a topic's partitions before which reading ends."""
        if self._path is None:
            return reader.ends()
        if topic not in self._ends:
            self._ends[topic] = reader.ends()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode(self._ends))
        return self._ends[topic]

    def forget(self) -> None:
        """The run is done: the next reads to the end again."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
