"""Learning the ranker from one event at a time, with bounds on what an event can do.

An event's item t is to stand above the other candidates of its moment, and on the list at all: with scores s
and r the score on the last place of a list of the others, the loss is::

    −w · (log softmax(s)_t + ρ · σ(s_t − r))

the second part being a smooth form of the hit rate at that place. Gradients g of ``batch_events`` events make
one step of Newton's method, ``W ← W − H⁻¹ g``, with the curvature of the softmax in Kronecker's form (Martens
and Grosse, ICML 2015)::

    H = n · A ⊗ C + κ · I      A: mean of w · gate gateᵀ, C: mean of w · covariance of signals under softmax

n counts the events, fading over ``memory_events``; κ is ``prior_curvature``: how firmly the weights stand at
first. As n grows, steps shrink, as in a Kalman filter (Ollivier, Electronic Journal of Statistics 2018): what
all the remembered events say is learned in one pass, which gradients alone need many for. No weight moves by
more than ``max_step`` in a step.

The first events are few, and say more of one small catalogue than of people: what serves goes from the first
weights to the learned ones over ``warm_up_events``. Learning itself does not wait.

The mean loss over a short window and over a long one are followed. Where the short one exceeds
``drift_ratio`` times the long one, the ranker has drifted: the weights come back that stood at the end of
the last window in which all was well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError, SettingError

Matrix = NDArray[np.float32]
# The long mean forgets over so many windows.
_LONG_WINDOWS = 8.0


class _Stored(msgspec.Struct, array_like=True):
    """The learner as it is kept; arrays are float64, little-endian, in the order of `OnlineLearner.state`."""

    shape: tuple[int, int]
    arrays: list[bytes]
    numbers: tuple[int, int, int]
    means: tuple[float, float, float | None]


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """How far and how carefully the ranker learns.

    Attributes:
        prior_curvature: κ, above 0: so many events of curvature 1 would move a weight as little.
        memory_events: After so many events what was learned has faded to 1/e.
        warm_up_events: Over so many events the learned weights take over from the first, at least 0.
        max_step: The most that one step moves any weight by.
        batch_events: Of one step.
        place: The last place of a list.
        place_weight: ρ, at least 0.
        drift_window_events: Of the short mean of losses.
        drift_ratio: Of short to long mean, above 1, that is an alarm.
    """

    prior_curvature: float = 100.0
    memory_events: float = 20_000.0
    warm_up_events: int = 10_000
    max_step: float = 0.05
    batch_events: int = 32
    place: int = 20
    place_weight: float = 1.0
    drift_window_events: int = 2_000
    drift_ratio: float = 1.3

    def __post_init__(self) -> None:
        if not (self.prior_curvature > 0 and self.max_step > 0 and self.drift_ratio > 1):
            raise SettingError("prior_curvature and max_step must be above 0, drift_ratio above 1")
        if not (self.memory_events >= 1 and self.place_weight >= 0 and self.warm_up_events >= 0):
            raise SettingError("memory_events must be at least 1, place_weight and warm_up_events at least 0")
        if min(self.batch_events, self.drift_window_events, self.place) < 1:
            raise SettingError("batch_events, drift_window_events and place must be at least 1")


def softmax_gradient(scores: NDArray[np.floating], target: int) -> tuple[float, NDArray[np.float32]]:
    """Loss of one list and its gradient by the scores, float32 [n]."""
    shifted = scores - scores.max()
    exponentials = np.exp(shifted)
    total = float(exponentials.sum())
    gradient = (exponentials / total).astype(np.float32)
    gradient[target] -= 1.0
    return math.log(total) - float(shifted[target]), gradient


def place_gradient(scores: NDArray[np.floating], target: int, place: int) -> tuple[float, int, float]:
    """The smooth hit rate of one list, σ(s_t − r), and its slope.

    Returns:
        The hit rate; the candidate on the last place of a list of the others, −1 where all of them would be
        listed; the slope by the target's score, which is minus that by the other's.
    """
    others = np.delete(scores, target)
    if len(others) < place:
        return 1.0, -1, 0.0
    at = int(np.argpartition(-others, place - 1)[place - 1])
    hit = 1.0 / (1.0 + math.exp(min(max(float(others[at] - scores[target]), -50.0), 50.0)))
    return hit, at + (at >= target), hit * (1.0 - hit)


class OnlineLearner:
    """Owns the weights W that are learned, ``values`` float32 [gates, signals]; ``served`` rank.

    Args:
        start: Where to begin.
        settings: See `OnlineSettings`.
    """

    def __init__(self, start: Matrix, settings: OnlineSettings) -> None:
        self._settings = settings
        self.values = start.astype(np.float32)
        self._start = self.values.copy()
        self._good = self.values.copy()
        gates, signals = self.values.shape
        self._pending = np.zeros((gates, signals))
        self._pending_events = 0
        # Sums over events, fading: of w, w · gate gateᵀ and w · covariance.
        self._weight = 0.0
        self._gates = np.zeros((gates, gates))
        self._signals = np.zeros((signals, signals))
        self._window_loss, self._window_events = 0.0, 0
        self._long_loss: float | None = None
        self.steps = 0

    @property
    def served_share(self) -> float:
        """How much of what ranks is what was learned, within [0, 1]."""
        warm_up = self._settings.warm_up_events
        return 1.0 if self.steps >= warm_up else self.steps / warm_up

    @property
    def served(self) -> Matrix:
        """What ranks: the first weights, and more and more those that are learned."""
        share = self.served_share
        if share == 1.0:
            return self.values
        return self._start + np.float32(share) * (self.values - self._start)

    def learn(
        self,
        standardised: Matrix,
        gates: NDArray[np.float32],
        target: int,
        weight: float,
        *,
        beside: Matrix | None = None,
    ) -> tuple[float, bool]:
        """Learn from one event.

        Args:
            standardised: Signals of the candidates, [n, signals].
            gates: [gates].
            target: The candidate that the event was on.
            weight: How much it counts; not negative.
            beside: Weights that scores are made with besides those learned here, [gates, signals].

        Returns:
            The loss of the softmax before the step, and whether the last good weights came back.
        """
        settings = self._settings
        weights = self.values if beside is None else self.values + beside
        scores = standardised @ (gates @ weights)
        loss, by_score = softmax_gradient(scores, target)
        if not math.isfinite(loss):
            # Signals that are no numbers say nothing of the weights.
            if np.isfinite(self.values).all():
                return loss, False
            self._fall_back()
            return loss, True
        shares = by_score.copy()
        shares[target] += 1.0
        self._add_curvature(standardised, gates, shares, weight)
        if settings.place_weight > 0:
            _, other, slope = place_gradient(scores, target, settings.place)
            if other >= 0:
                by_score[target] -= settings.place_weight * slope
                by_score[other] += settings.place_weight * slope
        self._pending += weight * np.outer(gates, by_score @ standardised)
        self._pending_events += 1
        self.steps += 1
        if self._pending_events >= settings.batch_events:
            self._step()
        return loss, self._followed(loss)

    def state(self) -> bytes:
        """Everything, as MessagePack."""
        arrays = (self.values, self._start, self._good, self._pending, self._gates, self._signals)
        raw = [array.astype("<f8").tobytes() for array in arrays]
        numbers = (self._pending_events, self._window_events, self.steps)
        means = (self._weight, self._window_loss, self._long_loss)
        gates, signals = self.values.shape
        return msgspec.msgpack.encode(_Stored((gates, signals), raw, numbers, means))

    def restore(self, state: bytes) -> None:
        """Go on where `state` was taken.

        Raises:
            ModelError: It is something else, or of weights of another shape.
        """
        try:
            held = msgspec.msgpack.decode(state, type=_Stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"the state of the ranker's learner cannot be read: {error}") from None
        gates, signals = self.values.shape
        shape, raw = held.shape, held.arrays
        shapes = [shape, shape, shape, shape, (gates, gates), (signals, signals)]
        sizes = [8 * rows * columns for rows, columns in shapes]
        if shape != self.values.shape or [len(one) for one in raw] != sizes:
            raise ModelError(
                f"the learner's state is of weights {shape} in {len(raw)} parts; they are {self.values.shape}"
            )
        arrays = [np.frombuffer(one, "<f8").reshape(of).copy() for one, of in zip(raw, shapes, strict=True)]
        if not all(np.isfinite(array).all() for array in arrays):
            raise ModelError("the learner's state holds numbers that are not finite")
        self.values, self._start, self._good = (array.astype(np.float32) for array in arrays[:3])
        self._pending, self._gates, self._signals = arrays[3:]
        self._pending_events, self._window_events, self.steps = held.numbers
        self._weight, self._window_loss, self._long_loss = held.means

    def _add_curvature(
        self, standardised: Matrix, gates: NDArray[np.float32], shares: NDArray[np.float32], weight: float
    ) -> None:
        """Count an event into A, C and n; ``shares`` is the softmax over the candidates, float32 [n]."""
        kept = 1.0 - 1.0 / self._settings.memory_events
        mean = shares @ standardised
        weighed = standardised * np.sqrt(shares)[:, None]
        covariance = weighed.T @ weighed - np.outer(mean, mean)
        self._weight = kept * self._weight + weight
        self._gates = kept * self._gates + weight * np.outer(gates, gates)
        self._signals = kept * self._signals + weight * covariance

    def _step(self) -> None:
        settings = self._settings
        gradient = self._pending
        self._pending = np.zeros_like(gradient)
        self._pending_events = 0
        if self._weight <= 0.0:
            return
        # (n A ⊗ C + κ I)⁻¹ exactly, by the axes of A and C.
        by_gate, gate_axes = np.linalg.eigh(self._gates / self._weight)
        by_signal, signal_axes = np.linalg.eigh(self._signals / self._weight)
        curvature = self._weight * np.maximum(by_gate, 0.0)[:, None] * np.maximum(by_signal, 0.0)[None, :]
        turned = gate_axes.T @ gradient @ signal_axes / (curvature + settings.prior_curvature)
        move = np.clip(gate_axes @ turned @ signal_axes.T, -settings.max_step, settings.max_step)
        self.values = (self.values - move).astype(np.float32)

    def _followed(self, loss: float) -> bool:
        """Follow the loss; whether the last good weights came back."""
        self._window_loss += loss
        self._window_events += 1
        if self._window_events < self._settings.drift_window_events:
            return False
        mean = self._window_loss / self._window_events
        self._window_loss, self._window_events = 0.0, 0
        if self._long_loss is not None and mean > self._settings.drift_ratio * self._long_loss:
            self._fall_back()
            # What is usual may have changed for good: the next window says what it is now.
            self._long_loss = None
            return True
        before = mean if self._long_loss is None else self._long_loss
        self._long_loss = before + (mean - before) / _LONG_WINDOWS
        self._good = self.values.copy()
        return False

    def _fall_back(self) -> None:
        self.values = self._good.copy()
        self._pending = np.zeros_like(self._pending)
        self._pending_events = 0
        # What was learned of the curvature led astray, too.
        self._weight = 0.0
        self._gates = np.zeros_like(self._gates)
        self._signals = np.zeros_like(self._signals)
        self._window_loss, self._window_events = 0.0, 0
