"""The model that serves now, for a new one to be compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.fusion import Fusion
from models.offline.interface import ContentModel, Features, FitContext, Interactions
from models.offline.user_models import fused


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """What settings name.

    Attributes:
        name: For people.
        model: Not fitted yet; None where it cannot be compared.
        reason: Why it cannot; "" where it can.
    """

    name: str
    model: ContentModel | None
    reason: str = ""


NOTHING_IN_USE = ModelInUse("nothing", None, "no model in use was named")


class FusedTaste:
    """Any fusion as a model of who takes what, measured as trained fusions are; see `ContentModel`.

    A person is the mean of the fused vectors of what it took; a score is the cosine with an item's.

    Args:
        fusion: Makes the vectors of items.
    """

    def __init__(self, fusion: Fusion) -> None:
        self._fusion = fusion
        self._train: Interactions | None = None
        self._vectors = np.zeros((0, fusion.dimension), np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`. Nothing is learned."""
        self._train = train
        self.serve(features)

    def serve(self, features: Features) -> None:
        """See `ContentModel.serve`."""
        self._vectors = fused(self._fusion, features)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return mean_scores(self._train, self._vectors, users)


def mean_scores(
    train: Interactions | None, vectors: NDArray[np.float32], users: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosines of people's means with all items, float32 [n, items].

    Args:
        train: Who took what.
        vectors: Of all items, float32 [items, D] of unit length or zero.
        users: Rows of ``train``, int64 [n].
    """
    assert train is not None, "a model has to be fitted before it scores"
    profiles = np.asarray(train[users] @ vectors, np.float32)
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    return np.asarray(profiles / np.maximum(lengths, 1e-9) @ vectors.T, np.float32)
