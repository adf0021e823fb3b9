"""What every data set gives: items with their media, and events in the order in which they happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import Modality
from models.retrieval.filters import AttributeValue


@dataclass(frozen=True, slots=True)
class CallerVector:
    """A vector that comes with an item, float32 [D]; ``encoder`` names the space that it is in."""

    encoder: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """An item of a catalogue.

    Attributes:
        item_id: Which.
        title: May be empty.
        description: May be empty.
        attributes: What filters see.
        created_at_ms: Milliseconds since the epoch.
        media: Modality → encoded files; several of one modality count as one.
        vectors: Modality → a vector in place of its text or media.
        available: Whether it may be listed.
    """

    item_id: str
    title: str = ""
    description: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    created_at_ms: int = 0
    media: Mapping[Modality, tuple[bytes, ...]] = field(default_factory=dict)
    vectors: Mapping[Modality, CallerVector] = field(default_factory=dict)
    available: bool = True


@dataclass(frozen=True, slots=True)
class DatasetEvent:
    """Something that a person did; ``occurred_at_ms`` is milliseconds since the epoch."""

    event_id: str
    user_id: str
    item_id: str
    action: str
    occurred_at_ms: int
    value: float | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


class Dataset(ABC):
    """A catalogue and what people did with it.

    Args:
        folder: Where its files are.
    """

    name: str
    warm_up_events: int | None = None
    """Events before the first that is evaluated, where there is a usual split."""
    settings: Mapping[str, Any] = {}
    """Settings, section by section, that the meaning of its events asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def items(self) -> Iterator[DatasetItem]:
        """The catalogue, in the order of its file.

        Raises:
            DatasetError: A file is missing or wrong; names it, and the line.
        """

    @abstractmethod
    def events(self) -> Iterator[DatasetEvent]:
        """The events, in the order of their file.

        Raises:
            DatasetError: As `items`.
        """
