"""What a cascade knows: items, interactions and trained models; rows of each as those of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.settings import CascadeSettings
from models.cascade.trained import ModelItems, TrainedItem2Vec, TrainedRegression, TrainedSequence
from models.errors import SettingError
from models.interactions import InteractionMemory
from models.interactions.log import EventLog
from models.retrieval.index import ItemIndex
from models.retrieval.row_link import RowLink
from models.user import UserModel


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
        self.user_model: UserModel | None = None
        self._rows = RowLink(self.memory.items, index)
        self._next: tuple[ItemIndex, RowLink] | None = None

    def get_ready_for(self, index: ItemIndex) -> None:
        """Link another index, which is to take the place of the one in use; again whenever it has changed.

        Cheap where few of its rows have changed since the last time, so begin while it is empty.
        """
        if self._next is None or self._next[0] is not index:
            self.give_up_others()
            self._next = (index, RowLink(self.memory.items, index))
        _ = self._next[1].there
        for items in self._model_items():
            items.rows_in(index)

    def use_index(self, index: ItemIndex) -> None:
        """Know these items from now on, and the others no more."""
        if index is self.index:
            return
        self.get_ready_for(index)
        if self._next is not None:
            self._rows = self._next[1]
        self.index, self._next = index, None
        # It is of the vector space that was.
        self.use_user_model(None)
        self.give_up_others()

    def use_user_model(self, model: UserModel | None) -> None:
        """Have people's vectors from a model of the index's vector space from now on; None: from none.

        Raises:
            SettingError: The settings say that there is none.
        """
        if model is not None and not self.settings.user_model:
            raise SettingError("a user model needs a cascade that was made with `user_model`")
        self.user_model = model

    def give_up_others(self) -> None:
        """Let go of every index but the one in use."""
        self._next = None
        for items in self._model_items():
            items.keep_links((self.index, self.memory.items))

    def _model_items(self) -> list[ModelItems]:
        held = (self.sequence, self.item2vec, *self.regressions.values())
        return [one.items for one in held if one is not None]

    @property
    def log(self) -> EventLog:
        """What models are trained on."""
        return self.memory.log

    def positives(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positive events so far of these rows of the index, int64 [n]."""
        memory_rows = self.in_memory[rows]
        counts = self.memory.popularity.positives[np.maximum(memory_rows, 0)]
        return np.where(memory_rows >= 0, counts, 0.0).astype(np.int64)

    @property
    def in_index(self) -> NDArray[np.int64]:
        """By row of the memory: the row of the index, −1 where the item is not in it, int64 [rows]."""
        return self._rows.there

    @property
    def in_memory(self) -> NDArray[np.int64]:
        """By row of the index: the row of the memory, −1 where it does not know the item, int64 [rows]."""
        return self._rows.back
