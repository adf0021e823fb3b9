"""A folder with a matrix, its split and vectors of items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.datasets import InteractionData, is_presplit, open_dataset, read_presplit
from models.datasets.interactions import TEST
from models.errors import DatasetError
from tests.unit.offline.worlds import write_presplit


def test_a_folder_is_read_as_it_was_written(tastes: InteractionData, tmp_path: Path) -> None:
    folder = write_presplit(tmp_path / "tastes", tastes)
    assert is_presplit(folder)
    found = read_presplit(folder)
    assert (found.name, found.users, found.items) == ("tastes", tastes.users, tastes.items)
    assert np.array_equal(found.pairs, tastes.pairs)
    assert np.array_equal(found.parts, tastes.parts)  # type: ignore[arg-type]
    assert list(found.features) == ["image", "audio"]
    assert found.features["image"].dtype == np.float32
    assert found.features["image"] == pytest.approx(tastes.features["image"], abs=1e-3)


def test_half_precision_is_widened_before_anything_is_summed(tastes: InteractionData, tmp_path: Path) -> None:
    folder = write_presplit(tmp_path / "large", tastes)
    np.save(folder / "image_feat.npy", np.full((tastes.items, 4), 60_000, np.float16))
    assert np.isfinite(read_presplit(folder).features["image"].sum(axis=0)).all()


def test_a_pair_in_two_parts_belongs_to_the_first(tmp_path: Path) -> None:
    tmp_path.joinpath("x").mkdir()
    pairs = {"train": [[0, 0], [0, 0], [1, 1]], "val": [[0, 0], [0, 1]], "test": [[1, 1], [1, 0]]}
    np.savez(tmp_path / "x" / "interactions.npz", **{name: np.array(one) for name, one in pairs.items()})
    found = read_presplit(tmp_path / "x")
    assert found.parts is not None
    assert list(zip(found.pairs.tolist(), found.parts.tolist(), strict=True)) == [
        ([0, 0], 0),
        ([0, 1], 1),
        ([1, 0], 2),
        ([1, 1], 0),
    ]
    assert (found.users, found.items, dict(found.features)) == (2, 2, {})


def test_a_part_that_is_not_asked_for_is_not_looked_at(tastes: InteractionData, tmp_path: Path) -> None:
    folder = write_presplit(tmp_path / "tastes", tastes)
    with np.load(folder / "interactions.npz") as arrays:
        np.savez(folder / "interactions.npz", train=arrays["train"], val=arrays["val"], test=np.array(["?"]))
    found = read_presplit(folder, ("train", "val"))
    assert tastes.parts is not None
    assert np.array_equal(found.pairs, tastes.pairs[tastes.parts != TEST])
    with pytest.raises(DatasetError, match="test"):
        read_presplit(folder)


def _without_test(folder: Path) -> None:
    with np.load(folder / "interactions.npz") as arrays:
        kept = {name: arrays[name] for name in ("train", "val")}
    np.savez(folder / "interactions.npz", **kept)


def _replace(name: str, values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with np.load(folder / "interactions.npz") as arrays:
            kept = {key: arrays[key] for key in arrays}
        np.savez(folder / "interactions.npz", **{**kept, name: np.array(values)})

    return change


def _features(values: object) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "audio_feat.npy", np.array(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_test, "no array test"),
        (lambda folder: (folder / "interactions.npz").write_bytes(b"no archive"), "cannot be read"),
        (_replace("val", [[0.5, 1.0]]), "whole numbers"),
        (_replace("val", [1, 2]), "val is"),
        (_replace("train", np.zeros((0, 2), np.int64)), "train is empty"),
        (_replace("test", [[-1, 2]]), "outside 0 to"),
        (_replace("test", [[0, 10**12]]), "outside 0 to"),
        (_features(np.zeros((3, 4))), "have rows for"),
        (_features([[np.nan] * 4] * 30), "not finite"),
        (_features([["a"] * 4] * 30), "audio_feat.npy is"),
        (lambda folder: (folder / "audio_feat.npy").write_bytes(b"x"), "audio_feat.npy cannot be read"),
    ],
)
def test_what_is_wrong_is_named(
    tastes: InteractionData, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = write_presplit(tmp_path / "wrong", tastes)
    change(folder)
    with pytest.raises(DatasetError, match=message):
        read_presplit(folder)


def test_what_replays_a_log_says_which_command_reads_a_matrix(
    tastes: InteractionData, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="freshet evaluate offline"):
        open_dataset(write_presplit(tmp_path / "tastes", tastes))
