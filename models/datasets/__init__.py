"""Data sets to evaluate on, read from a folder that the user names."""

from models.datasets.dataset import CallerVector, Dataset, DatasetEvent, DatasetItem
from models.datasets.interactions import InteractionData
from models.datasets.opening import open_dataset
from models.datasets.presplit import is_presplit, read_presplit

__all__ = [
    "CallerVector",
    "Dataset",
    "DatasetEvent",
    "DatasetItem",
    "InteractionData",
    "is_presplit",
    "open_dataset",
    "read_presplit",
]
