"""The items that can be recommended, in memory."""

from models.retrieval.filters import FilterRange, FilterValue
from models.retrieval.index import ItemIndex

__all__ = ["FilterRange", "FilterValue", "ItemIndex"]
