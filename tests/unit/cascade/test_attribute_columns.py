"""Attributes as columns."""

from __future__ import annotations

import numpy as np

from models.sequence.attribute_columns import choose_columns

ITEMS = [
    {"genres": ["war", "drama"] if number % 2 else ["comedy"], "year": 1900 + number, "id": str(number)}
    for number in range(100)
]


def test_values_that_items_share_are_columns_and_numbers_are_binned() -> None:
    columns = choose_columns(ITEMS)
    assert [word for _, word in columns.words] == ["comedy", "drama", "war"]
    ((name, edges),) = columns.numbers
    assert name == "year"
    assert len(edges) == 7
    matrix = columns.matrix(ITEMS)
    assert matrix.shape == (100, 11)
    assert matrix[0, :3].tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(matrix[1, :3], [0.0, 0.5**0.5, 0.5**0.5])
    assert matrix[:, 3:].sum(axis=1).tolist() == [1.0] * 100
    assert abs(matrix[:, 3:].sum(axis=0) - 12.5).max() <= 0.5


def test_unknown_values_and_types_are_no_column() -> None:
    columns = choose_columns(ITEMS)
    matrix = columns.matrix([{}, {"genres": ["western"], "year": "late", "id": 3}])
    assert not matrix.any()


def test_what_all_items_have_is_no_column() -> None:
    assert choose_columns([{"kind": "film"}] * 50).count == 0
    assert choose_columns([]).count == 0
