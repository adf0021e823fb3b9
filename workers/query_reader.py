"""What requests ask for in words, as vectors. Negations are told apart where a language model does it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.negation import has_negation
from models.preprocessing.text import clean_text
from models.ranking.asking import asked_vector
from streams.messages import QueryAnswer
from streams.query_settings import QuerySettings
from workers.language_model.negations import Separated

Vector = NDArray[np.float32]
_NOT_UNDERSTOOD = (
    "negations are not understood: what is not wanted may be listed; `filter` and `exclude` leave items out"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        vector: float32 [D] of unit length, in the space of the items; None where it says nothing.
        answer: What the list says of it.
        words: The words, and the vector space of what they became: vectors compare only within one.
    """

    vector: Vector | None
    answer: QueryAnswer
    words: str = ""
    space: str = ""


class Separates(Protocol):
    """Tells what is wanted from what is not."""

    async def separate(self, text: str) -> Separated | None:
        """None where that cannot be told now."""


class ReadsQueries(Protocol):
    """Reads what is asked for, as the recommend role sees it."""

    @property
    def space(self) -> str:
        """The vector space that what is asked for is read into now."""

    def known(self, query: str) -> Asked | None:
        """What has been read before; None where it takes time."""

    async def read(self, query: str) -> Asked:
        """What is asked for.

        Raises:
            ModelFailedError: The text encoder fails on it.
        """


class QueriesOff:
    """Asking in words is switched off."""

    space = ""

    def known(self, query: str) -> Asked:
        """See `ReadsQueries.known`."""
        return Asked(None, QueryAnswer(used=False, detail="asking in words is off here: `query.enabled`"))

    async def read(self, query: str) -> Asked:
        """See `ReadsQueries.read`."""
        return self.known(query)


class QueryReader:
    """Reads queries, and remembers the latest ones.

    Args:
        encode: A text to float32 [d], not on the event loop.
        fuse: That to a fused vector, as of an item that has text alone.
        separates: None where no language model does.
        space: The vector space of ``fuse``.
    """

    def __init__(
        self,
        settings: QuerySettings,
        encode: Callable[[str], Awaitable[Vector]],
        fuse: Callable[[Vector], Vector | None],
        separates: Separates | None = None,
        space: str = "",
    ) -> None:
        self._space = space
        self._settings = settings
        self._encode = encode
        self._fuse = fuse
        self._separates = separates
        self._cache: OrderedDict[str, Asked] = OrderedDict()

    @property
    def space(self) -> str:
        """See `ReadsQueries.space`."""
        return self._space

    def known(self, query: str) -> Asked | None:
        """See `ReadsQueries.known`."""
        text = self._text(query)
        found = self._cache.get(text)
        if found is not None:
            self._cache.move_to_end(text)
        return found

    async def read(self, query: str) -> Asked:
        """See `ReadsQueries.read`."""
        known = self.known(query)
        if known is not None:
            return known
        text = self._text(query)
        negates = has_negation(text)
        parts = None
        if negates and self._separates is not None:
            parts = await self._separates.separate(text)
        if parts is None:
            vector = await self._vector(text)
        else:
            unwanted = [await self._vector(one) for one in parts.unwanted]
            vector = asked_vector(
                await self._vector(parts.wanted), [one for one in unwanted if one is not None]
            )
        answer = _answer(vector, negates=negates, heeded=parts is not None)
        asked = Asked(vector, answer, query, self._space)
        if self._separates is None or not negates or parts is not None:
            self._keep(text, asked)
        return asked

    def _text(self, query: str) -> str:
        return clean_text(query, self._settings.max_characters)

    async def _vector(self, text: str) -> Vector | None:
        return self._fuse(await self._encode(text)) if text else None

    def _keep(self, text: str, asked: Asked) -> None:
        if not self._settings.cache_entries:
            return
        self._cache[text] = asked
        self._cache.move_to_end(text)
        if len(self._cache) > self._settings.cache_entries:
            self._cache.popitem(last=False)


def _answer(vector: Vector | None, *, negates: bool, heeded: bool) -> QueryAnswer:
    if vector is None:
        return QueryAnswer(used=False, detail="its words say nothing to the text encoder")
    if not negates:
        return QueryAnswer(used=True)
    if heeded:
        return QueryAnswer(used=True, negations="heeded")
    return QueryAnswer(used=True, negations="unsupported", detail=_NOT_UNDERSTOOD)
