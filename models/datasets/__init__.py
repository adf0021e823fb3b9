"""Data sets to evaluate on, read from a folder that the user names."""

from models.datasets.dataset import CallerVector, Dataset, DatasetEvent, DatasetItem
from models.datasets.opening import open_dataset

__all__ = ["CallerVector", "Dataset", "DatasetEvent", "DatasetItem", "open_dataset"]
