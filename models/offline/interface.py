"""What a model is to be compared on a data set.

A model sees people and items as rows and columns of a sparse matrix, and items' content as one array a
modality. A row of zeros says that the item does not have the modality; that is how modalities go missing, in
fitting as in serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Interactions: TypeAlias = "csr_array"
"""float32 [users, items], canonical: 1 where the person took the item, no explicit zeros."""
Features: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Modality → float32 [items, D]; a row of zeros: the item does not have it."""


def _never(done: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class FitContext:
    """What a model may use while it fits, besides the data.

    Attributes:
        seed: Of everything random; the same seed gives the same model.
        validate: The model as it is now on the validation split, higher is better (the metric that validation
            chooses by); None where there is none, and the model then runs as long as its settings say. For
            early stopping; costs about a second a call.
        on_progress: Told how much is done, and of how much.
        histories: The order and times of what is behind the matrix, for models of sequences; None where the
            data set tells none.
    """

    seed: int
    validate: Callable[[OfflineModel], float] | None = None
    on_progress: Callable[[int, int], None] = _never
    histories: Histories | None = None


class OfflineModel(Protocol):
    """A model of who takes what."""

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """Learn. Called once.

        Args:
            train: [users, items]; columns of items that nobody took are empty (new items).
            features: Of all items, new ones included.
            context: Seed, validation, progress.
        """

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each of these people would take each item.

        Args:
            users: Rows of the matrix that was fitted, int64 [n].

        Returns:
            float32 [n, items], finite; greater is better. Items that the person took are scored as any other:
            the evaluation leaves them out. Equal scores are put in an order that knows nothing of the items.
        """


@runtime_checkable
class ContentModel(OfflineModel, Protocol):
    """A model that scores items by what they contain, so that an item that nobody took has a score."""

    def serve(self, features: Features) -> None:
        """From now on score by these features instead of those of fitting, without learning anew.

        Called any number of times between calls of `scores`: with modalities taken away, and with the full
        ones again. People's histories are read through the same features.

        Args:
            features: The modalities of fitting, each of the same shape; rows or whole arrays may be zero.
        """


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be compared.

    Attributes:
        name: As on the command line and in reports.
        build: "module:attribute" of what makes a model that is not fitted from one of ``grid`` as keywords;
            by name, so that a model's libraries are imported only where it is used.
        grid: Settings that validation chooses from, in order; never empty.
        is_random: Whether the seed matters: such a model is fitted once for each seed.
        uses_item_ids: Whether an item that nobody took cannot be scored in earnest.
        modalities: Those without which it cannot be fitted; () for a model that can do without content.
        requires: Modules that must be installed, for example ("torch",); without them it is left out, with a
            note.
        max_items: It is left out, with a note, where there are more: its memory grows with their square.
        source: The paper that describes it.
    """

    name: str
    build: str
    grid: tuple[Mapping[str, Any], ...] = ({},)
    is_random: bool = False
    uses_item_ids: bool = True
    modalities: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    max_items: int | None = None
    source: str = ""

    def make(self, settings: Mapping[str, Any]) -> OfflineModel:
        """A model that is not fitted, with these settings."""
        module, _, attribute = self.build.partition(":")
        model: OfflineModel = getattr(import_module(module), attribute)(**settings)
        return model
