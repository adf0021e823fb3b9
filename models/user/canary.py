"""Whether a trained user model has an answer to any history, before any list depends on it."""

from __future__ import annotations

import numpy as np

from models.errors import CanaryError, EncoderOutputError
from models.user.history import UserHistory
from models.user.sequence import SequenceUserModel

# Beside an only entry, and more than the model reads.
_LENGTHS = (1, 2, 5, 20)
_WEIGHTS = (-1.0, 0.3, 1.0, 2.0)
_OLDEST_S = 1e8


def random_history(entries: int, dimension: int, random: np.random.Generator) -> UserHistory:
    """Entries on random unit vectors, likes and dislikes, from just now to three years ago."""
    vectors = random.standard_normal((entries, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ages_s = np.sort(_OLDEST_S ** random.random(entries))[::-1]
    ages_s[-1] = 0.0
    return UserHistory(
        vectors.astype(np.float32), random.choice(_WEIGHTS, entries).astype(np.float32), ages_s.copy()
    )


def check_user_model(model: SequenceUserModel, seed: int = 0) -> None:
    """Run a user model on random histories of several lengths; it ran on its samples when it was loaded.

    Raises:
        CanaryError: A vector is not finite or of another dimension, or no history leads anywhere.
    """
    random = np.random.default_rng(seed)
    answers = 0
    for entries in (*_LENGTHS, model.manifest.history_entries + 1):
        try:
            answers += len(model.user_vectors(random_history(entries, model.dimension, random)))
        except EncoderOutputError as error:
            raise CanaryError(f"a random history of {entries} entries cannot be computed: {error}") from error
    if not answers:
        raise CanaryError("it makes no vector of any random history")
