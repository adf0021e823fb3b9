"""What the events of one objective, such as purchases, say beyond what all events say of the ranker.

Every event teaches the shared weights W (`models.ranking.online`). An event of objective o also teaches a
difference D_o, so that what an objective has few events for is ranked as all events have it (shared and own
weights: Evgeniou and Pontil, KDD 2004; Daumé, ACL 2007)::

    s_o = (gᵀ (W + D_o)) · z        score = Σ_o w_o · b_o · s_o / Σ_o w_o

D_o begins at 0, and is learned as W is: from the same loss, of s_o, with a curvature of its own. b_o makes
scores of different objectives comparable: it is the number for which softmax(b_o · s_o) makes the events of
the objective most likely, so that b_o · s_o is, up to a number for each list, the logarithm of the
probability that an event of the objective is on this item (temperature scaling: Guo et al., ICML 2017). All
of it is linear in the signals: weights are mixed, not scores, and a signal's part of the score stays exact.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.ranking.online import Matrix, OnlineLearner, OnlineSettings

# b is trusted to be 1 as much as this many nats² of spread of scores would tell.
_PRIOR_INFORMATION = 20.0
_LEAST_SCALE, _LARGEST_SCALE = 0.2, 5.0


class _State(msgspec.Struct, array_like=True):
    online: bytes
    scale: float
    information: float


class ObjectiveHead:
    """Learns D and b of one objective.

    Args:
        shape: Of W: gates and signals.
        settings: As of the learner of W; whose warm-up counts for both.
    """

    def __init__(self, shape: tuple[int, int], settings: OnlineSettings) -> None:
        self._settings = settings
        self._online = OnlineLearner(np.zeros(shape, np.float32), settings)
        self._scale = 1.0
        self._information = _PRIOR_INFORMATION

    @property
    def scale(self) -> float:
        """b."""
        return self._scale

    def served(self, shared: OnlineLearner) -> Matrix:
        """What ranks for this objective, b · (W + D) as far as W is served, float32 [gates, signals]."""
        return np.float32(self._scale) * self._uncalibrated(shared)

    def learn(
        self,
        standardised: Matrix,
        gates: NDArray[np.float32],
        target: int,
        weight: float,
        shared: OnlineLearner,
    ) -> bool:
        """Learn from an event of the objective, before W learns from it; as `OnlineLearner.learn`.

        Returns:
            Whether the last good D came back.
        """
        self._calibrate(standardised @ (gates @ self._uncalibrated(shared)), target, weight)
        _, fell_back = self._online.learn(standardised, gates, target, weight, beside=shared.values)
        return fell_back

    def state(self) -> bytes:
        """Everything, as MessagePack."""
        return msgspec.msgpack.encode(_State(self._online.state(), self._scale, self._information))

    def restore(self, state: bytes) -> None:
        """Go on where `state` was taken.

        Raises:
            ModelError: It is something else, or of weights of another shape.
        """
        try:
            held = msgspec.msgpack.decode(state, type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"the state of an objective cannot be read: {error}") from None
        if not (_LEAST_SCALE <= held.scale <= _LARGEST_SCALE and 0 < held.information < np.inf):
            raise ModelError("the state of an objective holds a scale that cannot be")
        self._online.restore(held.online)
        self._scale, self._information = held.scale, held.information

    def _uncalibrated(self, shared: OnlineLearner) -> Matrix:
        return shared.served + np.float32(shared.served_share) * self._online.values

    def _calibrate(self, scores: NDArray[np.floating], target: int, weight: float) -> None:
        """A Newton step of b on the likelihood of softmax(b · s), whose curvature is the variance of s."""
        exponentials = np.exp(self._scale * (scores - scores.max()))
        shares = exponentials / exponentials.sum()
        mean = float(shares @ scores)
        variance = float(shares @ np.square(scores - mean))
        slope = mean - float(scores[target])
        if not np.isfinite(variance + slope):
            return
        kept = 1.0 - 1.0 / self._settings.memory_events
        self._information = kept * self._information + weight * variance
        scale = self._scale - weight * slope / max(self._information, 1e-9)
        self._scale = min(max(scale, _LEAST_SCALE), _LARGEST_SCALE)
