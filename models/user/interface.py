"""What every user model offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.user.history import UserHistory


class UserModel(Protocol):
    """Makes vectors of a person from the vectors of what they did.

    Items come as their vectors alone, so an item with no event yet is scored as any other: by its cosine with
    the person's vectors, the largest of them where there are several.
    """

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """The person's vectors, float32 [k, D] of unit length; k is 0 where nothing speaks for a direction.

        Raises:
            EncoderOutputError: A network failed on this history.
        """
