"""Which data set a folder holds."""

from __future__ import annotations

from pathlib import Path

from models.datasets.dataset import Dataset
from models.datasets.folder import EVENTS_FILE, FolderDataset
from models.datasets.movielens import RATINGS_FILE, MovieLens100k
from models.datasets.presplit import INTERACTIONS_FILE, is_presplit
from models.errors import DatasetError


def open_dataset(folder: Path) -> Dataset:
    """The data set in a folder, told by its files; nothing is read yet.

    Raises:
        DatasetError: There is no such folder, or no data set in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder} with a data set")
    if (folder / EVENTS_FILE).is_file():
        return FolderDataset(folder)
    if (folder / RATINGS_FILE).is_file():
        return MovieLens100k(folder)
    if is_presplit(folder):
        raise DatasetError(
            f"{folder} holds a matrix with a split ({INTERACTIONS_FILE}), and no items or events over time: "
            "`freshet evaluate offline` reads it"
        )
    raise DatasetError(
        f"{folder} holds no data set: it has neither {EVENTS_FILE} (with items.jsonl, in the shapes of the "
        f"contract's messages) nor {RATINGS_FILE} (MovieLens-100k) nor {INTERACTIONS_FILE} (a matrix "
        "with its split)"
    )
