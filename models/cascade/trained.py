"""Models of sources as the cascade holds them: by item id, whatever rows they were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.retrieval.row_link import ItemsByRow, RowChanges, RowLink
from models.sequence.attribute_columns import AttributeColumns
from models.sequence.history import History as SequenceHistory
from models.sequence.item2vec import Item2Vec, Item2VecSettings
from models.sequence.item_regression import ItemRegression
from models.sequence.model import SequenceModel
from models.sequence.settings import SequenceSettings
from models.signals.situation import Situation

_LOWEST_GRADE, _HIGHEST_GRADE, _NEUTRAL_GRADE = 0, 5, 3.0
# Arrays by name: dtype, shape and bytes.
_Packed = dict[str, tuple[str, list[int], bytes]]


class _StoredSequence(msgspec.Struct, array_like=True):
    """A sequence model as it is kept."""

    item_ids: list[str]
    columns: AttributeColumns
    arrays: _Packed


class _StoredItem2Vec(msgspec.Struct, array_like=True):
    """An item2vec model as it is kept."""

    item_ids: list[str]
    arrays: _Packed


def grades(weights: NDArray[np.float32]) -> NDArray[np.int64]:
    """Weights as grades: 3 is indifferent, 4 and 5 are good, int64 [n]."""
    rounded = np.rint(np.clip(weights + _NEUTRAL_GRADE, _LOWEST_GRADE, _HIGHEST_GRADE)).astype(np.int64)
    # A positive weight below ½ is still positive.
    rounded[(weights > 0) & (rounded < 4)] = 4
    return np.asarray(rounded, np.int64)


class ModelItems:
    """The items that a model knows, in its rows, and links to the rows of others.

    Args:
        item_ids: By row of the model.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.item_ids = tuple(item_ids)
        self.row_of = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self.changes = RowChanges()
        self._links: dict[int, tuple[ItemsByRow, RowLink]] = {}

    @property
    def rows(self) -> int:
        """Items."""
        return len(self.item_ids)

    def get(self, item_id: str) -> int | None:
        """The row of an item; None where the model does not know it."""
        return self.row_of.get(item_id)

    def item_in(self, row: int) -> str | None:
        """The item in a row."""
        return self.item_ids[row]

    def rows_in(self, others: ItemsByRow) -> NDArray[np.int64]:
        """By row of the model: the row in another collection, −1 where it is not in it, int64 [rows]."""
        return self._link(others).there

    def rows_from(self, others: ItemsByRow) -> NDArray[np.int64]:
        """By row of another collection: the model's row, −1 where it does not know the item, int64 [rows]."""
        return self._link(others).back

    def keep_links(self, kept: Sequence[ItemsByRow]) -> None:
        """Let go of other collections than these."""
        self._links = {id(one): self._links[id(one)] for one in kept if id(one) in self._links}

    def _link(self, others: ItemsByRow) -> RowLink:
        held = self._links.get(id(others))
        if held is None:
            # Held together with what it is about: nothing else can come to have its identity.
            held = self._links[id(others)] = (others, RowLink(self, others))
        return held[1]


@dataclass(slots=True)
class TrainedRegression:
    """A regression and the rows of its items."""

    model: ItemRegression
    items: ModelItems = field(init=False)

    def __post_init__(self) -> None:
        self.items = ModelItems(self.model.item_ids)

    def scores(self, entries: NDArray[np.int64], weightings: NDArray[np.float32]) -> NDArray[np.float32]:
        """What entries add to every item of the model, float32 [weightings, N].

        Args:
            entries: Rows of the model, −1 where it does not know the item, [n].
            weightings: float32 [weightings, n].
        """
        known = np.flatnonzero(entries >= 0)
        return weightings[:, known] @ self.model.weights[entries[known]]


@dataclass(slots=True)
class TrainedSequence:
    """A sequence model and the rows of its items."""

    model: SequenceModel
    item_ids: list[str]
    columns: AttributeColumns
    items: ModelItems = field(init=False)

    def __post_init__(self) -> None:
        self.items = ModelItems(self.item_ids)

    def scores(self, situation: Situation) -> NDArray[np.float32]:
        """Scores of all items of the model, float32 [items]."""
        history = situation.history
        rows = self.items.rows_from(situation.memory.items)[history.rows[::-1]]
        known = rows >= 0
        sequence = SequenceHistory(
            rows[known],
            grades(history.weights[::-1][known]),
            (history.times_s[::-1][known] * 1_000.0).astype(np.int64),
            earlier=max(0, situation.person.events - int(known.sum())),
        )
        return self.model.scores(sequence, int(situation.now_s * 1_000.0))

    def encode(self) -> bytes:
        """Everything but the moments of the optimiser, as MessagePack."""
        arrays = self.model.parameters()
        if self.model.content is not None:
            arrays["content"] = self.model.content
        return msgspec.msgpack.encode(_StoredSequence(self.item_ids, self.columns, _packed(arrays)))

    @classmethod
    def decode(cls, payload: bytes, settings: SequenceSettings) -> TrainedSequence:
        """Read what `encode` wrote, in this release or another.

        Raises:
            ModelError: It is something else, or of another size.
        """
        try:
            stored = msgspec.msgpack.decode(payload, type=_StoredSequence)
            parameters = _unpacked(stored.arrays)
            content = parameters.pop("content", None)
            model = SequenceModel.from_parameters(parameters, settings, content=content)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"a stored sequence model cannot be read: {error}") from None
        if model.items != len(stored.item_ids):
            raise ModelError(
                f"a stored sequence model has {model.items} items, and {len(stored.item_ids)} ids"
            )
        return cls(model, stored.item_ids, stored.columns)


@dataclass(slots=True)
class TrainedItem2Vec:
    """An item2vec model and the rows of its items."""

    model: Item2Vec
    item_ids: list[str]
    items: ModelItems = field(init=False)

    def __post_init__(self) -> None:
        self.items = ModelItems(self.item_ids)

    def scores(self, situation: Situation) -> NDArray[np.float32]:
        """Scores of all items of the model, float32 [items]."""
        recent = situation.recent
        rows = self.items.rows_from(situation.memory.items)[recent.rows]
        known = np.flatnonzero(rows >= 0)[: self.model.settings.recent]
        return self.model.scores(rows[known], situation.ages_s[known])

    def encode(self) -> bytes:
        """Everything but the moments of the optimiser, as MessagePack."""
        return msgspec.msgpack.encode(_StoredItem2Vec(self.item_ids, _packed(self.model.parameters())))

    @classmethod
    def decode(cls, payload: bytes, settings: Item2VecSettings) -> TrainedItem2Vec:
        """Read what `encode` wrote, in this release or another.

        Raises:
            ModelError: It is something else, or of another size.
        """
        try:
            stored = msgspec.msgpack.decode(payload, type=_StoredItem2Vec)
            model = Item2Vec.from_parameters(_unpacked(stored.arrays), settings)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"a stored item2vec model cannot be read: {error}") from None
        if model.items != len(stored.item_ids):
            raise ModelError(
                f"a stored item2vec model has {model.items} items, and {len(stored.item_ids)} ids"
            )
        return cls(model, stored.item_ids)


def _packed(arrays: Mapping[str, NDArray[np.generic]]) -> _Packed:
    return {
        name: (str(values.dtype), list(values.shape), values.tobytes()) for name, values in arrays.items()
    }


def _unpacked(arrays: _Packed) -> dict[str, NDArray[np.float32]]:
    return {name: np.frombuffer(raw, dtype).reshape(shape) for name, (dtype, shape, raw) in arrays.items()}
