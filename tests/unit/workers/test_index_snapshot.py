"""Snapshots of an index: what is read again is what was held, and nothing else is taken for it."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval import ItemIndex
from models.retrieval.index_state import IndexState
from streams.internal_messages import ItemVector, ItemVersion
from tests.unit.workers.fakes import NOW
from workers.index_snapshot import (
    IndexSnapshot,
    SnapshotFileError,
    delete_old,
    read_snapshot,
    write_snapshot,
)
from workers.vectors_to_index import IndexUpdater, UpdaterState

DIMENSION = 3
STEPS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 20), st.booleans(), st.integers(0, 3)), max_size=30
)


def apply(updater: IndexUpdater, steps: list[tuple[str, int, bool, int]]) -> None:
    for item_id, offset, is_put, number in steps:
        version = ItemVersion(1, 0, offset, offset)
        if is_put:
            numbers = np.array([1.0, number, -1.0], "<f2").tobytes() if number else None
            updater.put(
                ItemVector(
                    item_id=item_id,
                    version=version,
                    revision=number,
                    vector=numbers,
                    modalities=[],
                    created_at=NOW,
                    available=number != 2,
                    attributes={"colour": "red", "price": number} if number > 1 else {},
                )
            )
        else:
            updater.remove(item_id, version)


def seen(index: ItemIndex) -> dict[str, object]:
    """All that lists are made of, by item."""
    return {
        item_id: (
            index.vectors[row].tolist(),
            bool(index.available[row]),
            int(index.created_at_ms[row]),
            dict(index.attributes(row)),
            int(index.hashes[row]),
            bool(index.matching({"colour": "red"})[row]),
            row in index.newest(index.live.copy(), 9),
        )
        for item_id, row in index.item_rows.items()
    }


@given(STEPS, STEPS)
def test_who_goes_on_from_a_snapshot_holds_what_who_read_everything_holds(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, int, bool, int]],
    after: list[tuple[str, int, bool, int]],
) -> None:
    whole = IndexUpdater(ItemIndex(DIMENSION))
    apply(whole, before)
    path = tmp_path_factory.getbasetemp() / "index.npz"
    state = whole.state()
    write_snapshot(path, IndexSnapshot("id", {0: 7}, 5, state.items, state.versions, state.withdrawn))
    found = read_snapshot(path, DIMENSION, lambda topic_id, at_ms: (topic_id, at_ms) == ("id", 5))
    assert found.positions == {0: 7}
    restored_index = ItemIndex(DIMENSION)
    restored = IndexUpdater(restored_index)
    restored.restore(UpdaterState(found.items, found.versions, found.withdrawn))
    assert seen(restored_index) == seen(whole._index)
    apply(whole, after)
    apply(restored, after)
    assert seen(restored_index) == seen(whole._index)
    assert restored.held() == whole.held()


def snapshot() -> IndexSnapshot:
    updater = IndexUpdater(ItemIndex(DIMENSION))
    apply(updater, [("a", 1, True, 1), ("b", 2, True, 3), ("c", 3, False, 0)])
    state = updater.state()
    return IndexSnapshot("id", {0: 4}, 5, state.items, state.versions, state.withdrawn)


def always(topic_id: str, at_ms: int) -> bool:
    return True


def test_what_is_damaged_or_of_another_kind_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "index.npz"
    with pytest.raises(FileNotFoundError):
        read_snapshot(path, DIMENSION, always)
    write_snapshot(path, snapshot())
    assert [one.name for one in path.parent.iterdir()] == ["index.npz"]
    whole = path.read_bytes()
    one_array = io.BytesIO()
    np.save(one_array, np.zeros(3))
    for damaged in (
        *(b"", whole[: len(whole) // 2], b"no archive", _flipped(whole), one_array.getvalue()),
        # Bits of the archive's directory, which has no checksum: encrypted, and by an unknown method.
        *(_with_directory(whole, at) for at in (8, 10)),
    ):
        path.write_bytes(damaged)
        with pytest.raises(SnapshotFileError, match="damaged"):
            read_snapshot(path, DIMENSION, always)
    path.write_bytes(whole)
    with pytest.raises(SnapshotFileError, match="vectors"):
        read_snapshot(path, DIMENSION + 1, always)
    with pytest.raises(SnapshotFileError, match="too old"):
        read_snapshot(path, DIMENSION, lambda topic_id, at_ms: False)


def _with_directory(whole: bytes, at: int) -> bytes:
    """Another byte in the first entry of the archive's directory."""
    begin = whole.index(b"PK\x01\x02") + at
    return whole[:begin] + bytes([whole[begin] ^ 0x5F]) + whole[begin + 1 :]


def _flipped(whole: bytes) -> bytes:
    # In the middle of the vectors, whose bytes mean nothing to the format.
    at = whole.index(snapshot().items.vectors.tobytes())
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "index.npz"
    np.savez(path, head=np.array([{"a": 1}], object), lists=np.zeros(1))
    with pytest.raises(SnapshotFileError, match="damaged"):
        read_snapshot(path, DIMENSION, always)


def test_a_snapshot_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.npz"
    write_snapshot(path, snapshot())
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workers.index_snapshot.np.savez", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(path, snapshot())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"item_ids": ["a", "a"]}, "twice"),
        ({"attributes": [b""]}, "not as many"),
        ({"vectors": np.full((2, DIMENSION), np.nan, np.float16)}, "not finite"),
        ({"attributes": [b"\xc1", b"\x80"]}, "attributes cannot be read"),
    ],
)
def test_an_index_takes_no_items_that_cannot_be_its_own(change: dict[str, object], match: str) -> None:
    items: IndexState = dataclasses.replace(snapshot().items, **change)
    index = ItemIndex(DIMENSION)
    with pytest.raises(ValueError, match=match):
        index.restore(items)
    assert not len(index)
    index.restore(snapshot().items)
    with pytest.raises(ValueError, match="holds items"):
        index.restore(snapshot().items)


def test_one_of_another_release_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.npz"
    write_snapshot(path, snapshot())
    monkeypatch.setattr("workers.index_snapshot._RELEASE", "9.9")
    with pytest.raises(SnapshotFileError, match="release"):
        read_snapshot(path, DIMENSION, always)


def test_what_nobody_can_use_any_more_is_deleted(tmp_path: Path) -> None:
    kept, others = tmp_path / "new.npz", tmp_path / "notes.txt"
    old, begun = tmp_path / "old.npz", tmp_path / ".topic.npz.4711"
    for path in (kept, others, old, begun):
        path.touch()
    for path in (kept, others, old, begun):
        os.utime(path, (1_000, 1_000))
    delete_old(kept, 2_000_000)
    assert sorted(tmp_path.iterdir()) == [kept, others]
