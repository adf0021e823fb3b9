"""Rows of one collection of items as rows of another, whatever comes, goes and moves in either."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.interactions.rows import ItemRows
from models.retrieval import row_link
from models.retrieval.index import ItemIndex
from models.retrieval.row_link import KEPT_CHANGES, RowChanges, RowLink

ITEMS = [f"i{number}" for number in range(8)]
Change = tuple[str, str]


def expected(memory: ItemRows, index: ItemIndex) -> tuple[list[int], list[int]]:
    there = [index.item_rows.get(memory.item_id(row), -1) for row in range(memory.rows)]
    names = [index.item_in(row) for row in range(index.rows)]
    back = [-1 if name is None or memory.get(name) is None else memory.get(name) for name in names]
    return there, back


def applied(changes: Sequence[Change], memory: ItemRows, index: ItemIndex) -> None:
    for kind, item_id in changes:
        if kind == "use":
            memory.use(item_id)
        elif kind == "put":
            index.upsert(item_id, None, created_at_ms=0)
        else:
            index.remove(item_id)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["use", "put", "remove"]), st.sampled_from(ITEMS)), max_size=6),
        max_size=8,
    )
)
def test_a_link_says_what_looking_up_would_say(batches: list[list[Change]]) -> None:
    # Four rows for eight items: items lose their rows to others.
    memory, index = ItemRows(4), ItemIndex(2)
    link = RowLink(memory, index)
    for changes in batches:
        applied(changes, memory, index)
        assert (link.there.tolist(), link.back.tolist()) == expected(memory, index)


def test_a_link_that_missed_too_much_is_made_anew() -> None:
    memory, index = ItemRows(100), ItemIndex(2)
    link = RowLink(memory, index)
    memory.use("a")
    index.upsert("a", None, created_at_ms=0)
    assert link.there.tolist() == [0]
    for _ in range(KEPT_CHANGES):
        index.remove("a")
        index.upsert("a", None, created_at_ms=0)
    memory.use("b")
    index.upsert("b", None, created_at_ms=0)
    assert link.there.tolist() == [0, 1]


def test_what_has_not_changed_is_not_looked_up() -> None:
    memory, index = ItemRows(100), ItemIndex(2)
    applied([("use", "a"), ("put", "a"), ("use", "b")], memory, index)
    link = RowLink(memory, index)
    assert link.there.tolist() == [0, -1]
    looked_up: list[int] = []
    used = row_link._link
    try:
        row_link._link = lambda mine, theirs, items, others, rows: (  # type: ignore[assignment]
            looked_up.extend(rows),
            used(mine, theirs, items, others, rows),
        )
        assert link.there.tolist() == [0, -1]
        index.upsert("b", None, created_at_ms=0)
        assert link.there.tolist() == [0, 1]
    finally:
        row_link._link = used
    assert looked_up == [1], "the one row of the index that changed"


def test_changes_are_bounded() -> None:
    changes = RowChanges()
    for row in range(3 * KEPT_CHANGES):
        changes.add(row)
    assert changes.since(changes.count) == []
    assert changes.since(changes.count - 2) == [3 * KEPT_CHANGES - 2, 3 * KEPT_CHANGES - 1]
    assert changes.since(0) is None
