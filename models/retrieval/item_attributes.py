"""What is known of items by name and value, by row, with columns for filters, made when first asked for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from models.retrieval.columns import AttributeColumn, Mask
from models.retrieval.filters import AttributeValue, Filter, FilterRange, filter_values

# Columns kept for filters; the one not used for longest makes room.
_MAX_COLUMNS = 64
# Values ever numbered in a column for each row, beyond which it is read anew; few rows do not matter.
_MAX_VALUES_PER_ROW, _FEW_VALUES = 2, 1_024

encode_attributes: Callable[[Mapping[str, AttributeValue]], bytes] = msgspec.msgpack.Encoder().encode
NO_ATTRIBUTES = encode_attributes({})
_decode: Callable[[bytes], dict[str, Any]] = msgspec.msgpack.Decoder().decode
# Each list reads the attributes of hundreds of candidates, and many stand in the lists of many people.
_KEPT_ATTRIBUTES, _KEPT_BYTES = 16_384, 512
_decode_kept: Callable[[bytes], Mapping[str, AttributeValue]] = lru_cache(_KEPT_ATTRIBUTES)(_decode)


class ItemAttributes:
    """The attributes of each row, kept as MessagePack."""

    def __init__(self) -> None:
        self._encoded: list[bytes] = []
        self._items_with: Counter[str] = Counter()
        self._columns: OrderedDict[str, AttributeColumn] = OrderedDict()
        self._capacity = 0

    @property
    def filtered_by(self) -> tuple[str, ...]:
        """Attributes that have a column."""
        return tuple(self._columns)

    def encoded(self, row: int) -> bytes:
        """Those of a row, as MessagePack."""
        return self._encoded[row]

    def of(self, row: int) -> Mapping[str, AttributeValue]:
        """Those of a row."""
        encoded = self._encoded[row]
        return _decode_kept(encoded) if len(encoded) <= _KEPT_BYTES else _decode(encoded)

    def reserve(self, rows: int) -> None:
        """Make room for so many rows in the columns."""
        if rows > self._capacity:
            self._capacity = rows
            for column in self._columns.values():
                column.grow(rows)

    def add_row(self) -> None:
        """One more row, without attributes. There has to be room for it."""
        self._encoded.append(NO_ATTRIBUTES)

    def put(self, row: int, attributes: Mapping[str, AttributeValue], encoded: bytes) -> None:
        """Replace those of a row, given also as `encode_attributes` makes them."""
        before = _decode(self._encoded[row])
        self._items_with.subtract(before.keys())
        self._items_with.update(attributes.keys())
        for name in before.keys() - attributes.keys():
            if not self._items_with[name]:
                del self._items_with[name]
        self._encoded[row] = encoded
        for name, column in list(self._columns.items()):
            if name in before or name in attributes:
                column.set(row, attributes.get(name))
                if column.distinct_values > _MAX_VALUES_PER_ROW * len(self._encoded) + _FEW_VALUES:
                    # Mostly values that no item has any more: read anew when next asked for.
                    del self._columns[name]

    def restore(self, encoded: Sequence[bytes], items_with: Counter[str]) -> None:
        """Hold these, a row each, and how many of them have each attribute. There has to be room for them."""
        self._encoded = list(encoded)
        self._items_with.update(items_with)

    def make_columns(self, names: Iterable[str]) -> None:
        """Make the columns of those attributes that some item has."""
        for name in names:
            if name in self._items_with:
                self._columns_of([name])

    def matching(self, wanted: Filter, live: Mask) -> Mask:
        """Which live rows pass every part of the filter, bool [rows]; ``live`` is not changed.

        The first filter on an attribute reads the attributes of every item, 0.1 to 0.3 s for 100,000
        items; after that its column follows the changes.

        Raises:
            ListQueryError: A value of the filter is of the wrong type.
        """
        accepted = {
            name: value if isinstance(value, FilterRange) else filter_values(name, value)
            for name, value in wanted.items()
        }
        # An attribute that no item has needs no column: names come from outside, and are without number.
        if any(name not in self._items_with for name in accepted):
            return np.zeros(len(live), np.bool_)
        mask = live.copy()
        for column, value in zip(self._columns_of(accepted), accepted.values(), strict=True):
            if isinstance(value, FilterRange):
                mask &= column.within(value, len(live))
            else:
                mask &= column.equal_to(value, len(live))
        return mask

    def _columns_of(self, names: Iterable[str]) -> list[AttributeColumn]:
        """The columns of attributes that some item has, read from all items where they are not kept."""
        names = list(names)
        new: dict[str, list[tuple[int, AttributeValue]]]
        new = {name: [] for name in names if name not in self._columns}
        if new:
            for row, encoded in enumerate(self._encoded):
                attributes = _decode(encoded)
                for name, values in new.items():
                    if name in attributes:
                        values.append((row, attributes[name]))
        for name, values in new.items():
            column = self._columns[name] = AttributeColumn(self._capacity)
            column.fill(values)
        found = [self._columns[name] for name in names]
        for name in names:
            self._columns.move_to_end(name)
        while len(self._columns) > _MAX_COLUMNS:
            self._columns.popitem(last=False)
        return found
