"""What a cascade knows: items, interactions and trained models; rows of each as those of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.settings import CascadeSettings
from models.cascade.trained import TrainedItem2Vec, TrainedRegression, TrainedSequence
from models.interactions import InteractionMemory
from models.interactions.log import EventLog
from models.retrieval.index import ItemIndex
from models.retrieval.row_link import RowLink


class Knowledge:
    """Items, what people did with them, and models trained on that.

    Args:
        index: The items; somebody else keeps it current.
        settings: See `CascadeSettings`.
    """

    def __init__(self, index: ItemIndex, settings: CascadeSettings) -> None:
        self.index = index
        self.settings = settings
        self.memory = InteractionMemory(settings.interactions)
        self.sequence: TrainedSequence | None = None
        self.item2vec: TrainedItem2Vec | None = None
        self.regressions: dict[str, TrainedRegression] = {}
        self._to_index, self._from_index = RowLink(), RowLink()

    @property
    def log(self) -> EventLog:
        """What models are trained on."""
        return self.memory.log

    def positives(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positive events so far of these rows of the index, int64 [n]."""
        memory_rows = self.memory_rows_of_index(rows)
        counts = self.memory.popularity.positives[np.maximum(memory_rows, 0)]
        return np.where(memory_rows >= 0, counts, 0.0).astype(np.int64)

    def index_rows_of_memory(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the index for rows of the memory, −1 where the item is not in it, int64 [n]."""
        row_of, items = self.index.item_rows, self.memory.items
        hashes = self.index.hashes
        return self._to_index.rows(rows, items.hashes, hashes, lambda row: row_of.get(items.item_id(row)))

    def memory_rows_of_index(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the memory for rows of the index, −1 where it does not know the item, int64 [n]."""
        index, items = self.index, self.memory.items
        hashes = self.index.hashes
        return self._from_index.rows(
            rows, hashes, items.hashes, lambda row: items.get(index.item_id(row)), version=items.changes
        )
