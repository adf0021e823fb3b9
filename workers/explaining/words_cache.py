"""Words that were accepted, by item and reason, and what no answer passed for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic


class WordsCache:
    """The most recently used entries.

    Args:
        entries: How many are kept; 0 keeps none.
        refused_retention_s: For how long it is remembered that no answer passed.
        clock: Seconds, never going back.
    """

    def __init__(
        self, entries: int, refused_retention_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._entries = entries
        self._refused_retention_s = refused_retention_s
        self._clock = clock
        self._words: OrderedDict[bytes, str | float] = OrderedDict()

    def find(self, key: bytes) -> str | None:
        """The words, if there are any."""
        found = self._words.get(key)
        if not isinstance(found, str):
            return None
        self._words.move_to_end(key)
        return found

    def is_refused(self, key: bytes) -> bool:
        """Whether no answer passed for it lately."""
        until_s = self._words.get(key)
        return isinstance(until_s, float) and self._clock() < until_s

    def keep(self, key: bytes, words: str) -> None:
        """Keep words that were accepted."""
        self._put(key, words)

    def refuse(self, key: bytes) -> None:
        """No answer passed."""
        self._put(key, self._clock() + self._refused_retention_s)

    def _put(self, key: bytes, value: str | float) -> None:
        if not self._entries:
            return
        self._words[key] = value
        self._words.move_to_end(key)
        if len(self._words) > self._entries:
            self._words.popitem(last=False)
