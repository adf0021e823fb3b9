"""Fused vectors of the newest items, and where items and people are in two dimensions. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.profile import Profile, TasteSettings, taste
from models.projection import Projection, principal_axes
from streams.codec import decode_value
from streams.errors import BadInputError
from streams.internal_messages import ItemVector, ItemVersion
from streams.topics import ITEM_VECTORS

NEAREST = 8


@dataclass(frozen=True, slots=True)
class _Held:
    version: ItemVersion
    revision: int
    row: int
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person among the items.

    Attributes:
        point: Of the direction of their taste, on the two axes.
        likeness: Item id → cosine of its vector with the taste, of the items asked for and the nearest.
        nearest: The nearest items, the nearest first.
    """

    point: tuple[float, float]
    likeness: dict[str, float]
    nearest: list[str]


class VectorBoard:
    """Vectors by item, ignoring what is not newer than is held.

    Args:
        max_items: Beyond, items that came longest ago make room.
        dimension: Of the vectors.
    """

    def __init__(self, max_items: int, dimension: int) -> None:
        self.dimension = dimension
        self._matrix = np.zeros((max_items, dimension), np.float32)
        self._ids: list[str | None] = [None] * max_items
        self._held: dict[str, _Held] = {}
        self._next_row = 0
        self._change = 0
        self._projected: tuple[int, Projection] | None = None

    def __len__(self) -> int:
        return len(self._held)

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `item-vectors`; one that is none costs itself alone."""
        for record in records:
            if record.value is None:
                if record.key is not None:
                    self._remove(record.key.decode(errors="replace"))
                continue
            try:
                self.put(decode_value(record.value, ITEM_VECTORS))
            except (BadInputError, ValueError):
                continue

    def put(self, vector: ItemVector) -> bool:
        """Take an item as it now is; whether it changed anything.

        Raises:
            ValueError: The vector has another dimension.
        """
        held = self._held.get(vector.item_id)
        if held is not None and (
            held.version.is_newer_than(vector.version)
            or (held.version == vector.version and held.revision >= vector.revision)
        ):
            return False
        if vector.vector is None:
            return self._remove(vector.item_id)
        values = np.frombuffer(vector.vector, "<f2")
        if len(values) != self._matrix.shape[1]:
            raise ValueError(f"a vector of {len(values)}, not {self._matrix.shape[1]}")
        row = held.row if held is not None else self._free_row()
        self._matrix[row] = values
        self._ids[row] = vector.item_id
        self._held[vector.item_id] = _Held(vector.version, vector.revision, row, tuple(vector.modalities))
        self._change += 1
        return True

    def points(self) -> dict[str, Any]:
        """Every item on the two axes, and how much of the variance these explain."""
        projection, ids = self._projection(), list(self._held)
        rows = [self._held[item_id].row for item_id in ids]
        points = projection.project(self._matrix[rows]) if rows else np.zeros((0, 2))
        return {
            "item_ids": ids,
            "points": np.round(points, 4).tolist(),
            "modalities": [self._held[item_id].modalities for item_id in ids],
            "explained": np.round(projection.explained, 4).tolist(),
        }

    def point_of(self, item_id: str) -> tuple[float, float] | None:
        """Of one item, None where it has no vector."""
        held = self._held.get(item_id)
        return None if held is None else self._point(self._matrix[held.row])

    def person(
        self, profile: Profile, now_ms: int, settings: TasteSettings, item_ids: Sequence[str] = ()
    ) -> PersonView | None:
        """Where a person is; None while nothing is known of their taste.

        Args:
            item_ids: Items whose likeness is asked for.
        """
        rows = {item_id: held.row for item_id, held in self._held.items()}
        found = taste(profile, rows, self._matrix, now_ms, settings)
        if found is None or not rows:
            return None
        direction = found.vector / np.linalg.norm(found.vector)
        ids = list(rows)
        likeness = self._matrix[list(rows.values())] @ direction.astype(np.float32)
        nearest = [ids[at] for at in np.argsort(-likeness, kind="stable")[:NEAREST].tolist()]
        wanted = {*nearest, *item_ids}
        return PersonView(
            self._point(direction),
            {one: float(value) for one, value in zip(ids, likeness.tolist(), strict=True) if one in wanted},
            nearest,
        )

    def nearest_to(self, item_id: str, count: int = NEAREST) -> list[tuple[str, float]]:
        """The items whose vectors are nearest to an item's, with the cosine; none where it has no vector."""
        held = self._held.get(item_id)
        if held is None:
            return []
        ids = [one for one in self._held if one != item_id]
        rows = [self._held[one].row for one in ids]
        likeness = self._matrix[rows] @ self._matrix[held.row]
        best = np.argsort(-likeness, kind="stable")[:count].tolist()
        return [(ids[at], float(likeness[at])) for at in best]

    def _point(self, vector: NDArray[np.floating]) -> tuple[float, float]:
        x, y = self._projection().project(vector[None])[0].tolist()
        return round(x, 4), round(y, 4)

    def _projection(self) -> Projection:
        """Made anew once a tenth of the items have changed: axes that turned with each would show motion
        where there is none."""
        if (
            self._projected is None
            or self._change - self._projected[0] > max(8, len(self._held) // 10)
            or self._change < 64
        ):
            rows = [held.row for held in self._held.values()]
            self._projected = (self._change, principal_axes(self._matrix[rows]))
        return self._projected[1]

    def _free_row(self) -> int:
        row = self._next_row
        self._next_row = (row + 1) % len(self._ids)
        there = self._ids[row]
        if there is not None:
            self._remove(there)
        return row

    def _remove(self, item_id: str) -> bool:
        held = self._held.pop(item_id, None)
        if held is None:
            return False
        self._ids[held.row] = None
        self._matrix[held.row] = 0.0
        self._change += 1
        return True
