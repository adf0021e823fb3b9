"""What a source of candidates is: a function of a moment, what may be listed, and a budget."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals


class Source(Protocol):
    """Proposes the items that it finds best."""

    def __call__(self, moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
        """Rows of the index, best first, each once and eligible, int64 [≤ budget].

        Args:
            moment: A person at a moment, and what is known.
            eligible: By row of the index: what may be listed.
            budget: At least 1.
        """
