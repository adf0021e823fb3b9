"""What goes into re-ranking and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError
from models.retrieval.filters import AttributeValue


@dataclass(frozen=True, slots=True)
class RerankInput:
    """The n candidates of a list, best first, and what is known of them.

    Attributes:
        item_ids: Each once.
        scores: Finite, float64 [n], falling.
        vectors: Of unit length, zero where an item has none, float32 [n, D].
        hashes: The tie-break where rules make scores equal, uint64 [n].
        attributes: Position → attributes. Called where a rule or a cap needs them, once a position.
        positives: Positive events of each item so far, int64 [n].
        shown_ms: Item id → when this person was last shown it, in milliseconds since the epoch.
        now_ms: Milliseconds since the epoch.

    Raises:
        DimensionError: The arrays are not of one length.
    """

    item_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    vectors: NDArray[np.float32]
    hashes: NDArray[np.uint64]
    attributes: Callable[[int], Mapping[str, AttributeValue]]
    positives: NDArray[np.int64]
    shown_ms: Mapping[str, int]
    now_ms: int

    def __post_init__(self) -> None:
        lengths = [len(array) for array in (self.scores, self.vectors, self.hashes, self.positives)]
        if any(length != len(self.item_ids) for length in lengths):
            raise DimensionError(
                f"{len(self.item_ids)} candidates have scores, vectors, hashes and positives for {lengths}"
            )


@dataclass(frozen=True, slots=True)
class RerankedItem:
    """An item of the list.

    Attributes:
        position: Of the candidate in the input.
        propensity: The probability, within (0, 1], that the policy puts this item at this place, given
            the places before it; None where nothing is left to chance.
        moves: What put it here, as kinds of reasons: ``pin``, ``boost``, ``bury``, ``cap`` (a better one
            would have exceeded a cap), ``new_item`` (the place was kept), ``diversity`` (a better one is
            too like those above), ``exploration`` (chance). Empty where it just is the next.
        boosted: What boosts added to its score, ≥ 0.
        buried: What burying added to its score, ≤ 0.
    """

    position: int
    propensity: float | None
    moves: tuple[str, ...] = ()
    boosted: float = 0.0
    buried: float = 0.0

    @property
    def contributions(self) -> tuple[tuple[str, float], ...]:
        """Each of ``moves`` with what it adds to the score: 0 but for ``boost`` and ``bury``."""
        amounts = {"boost": self.boosted, "bury": self.buried}
        return tuple((move, amounts.get(move, 0.0)) for move in self.moves)
