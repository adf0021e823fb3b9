"""Learning the ranker from one event at a time, with bounds on what an event can do.

An event's item i is to stand above the other candidates of its moment: the loss is that of a softmax over
the candidates, ``−w · log softmax(score)_i``. Gradients of ``batch_events`` events make one step of Adam
(Kingma and Ba, 2015) with decoupled decay. No weight moves by more than ``max_step`` in a step. What
serves is the mean of the weights over the last steps, fading as ``average_decay`` to the power of a step's
age (Polyak and Juditsky, 1992): single events are noise.

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
_FIRST_MOMENT, _SECOND_MOMENT = 0.9, 0.999
_EPSILON = 1e-7
# The long mean forgets over so many windows.
_LONG_WINDOWS = 8.0


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """How far and how carefully the ranker learns.

    Steps grow from 0 to ``step_size`` over the first ``warm_up_events``.
    """

    step_size: float = 0.001
    warm_up_events: int = 10_000
    decay: float = 0.01
    max_step: float = 0.05
    batch_events: int = 8
    average_decay: float = 0.995
    drift_window_events: int = 2_000
    drift_ratio: float = 1.3

    def __post_init__(self) -> None:
        if not (self.step_size > 0 and self.max_step > 0 and self.decay >= 0 and self.drift_ratio > 1):
            raise SettingError(
                "step_size and max_step must be above 0, decay at least 0, drift_ratio above 1"
            )
        if not 0 <= self.average_decay < 1:
            raise SettingError("average_decay must be at least 0 and below 1")
        if self.batch_events < 1 or self.drift_window_events < 1:
            raise SettingError("batch_events and drift_window_events must be at least 1")


def softmax_gradient(scores: NDArray[np.floating], target: int) -> tuple[float, NDArray[np.float32]]:
    """Loss of one list and its gradient by the scores, float32 [n]."""
    shifted = scores - scores.max()
    exponentials = np.exp(shifted)
    total = float(exponentials.sum())
    gradient = (exponentials / total).astype(np.float32)
    gradient[target] -= 1.0
    return math.log(total) - float(shifted[target]), gradient


class OnlineLearner:
    """Owns the weights W that are learned, float32 [gates, signals]; ``served`` is their mean.

    Args:
        start: Where to begin.
        settings: See `OnlineSettings`.
    """

    def __init__(self, start: Matrix, settings: OnlineSettings) -> None:
        self._settings = settings
        self.values = start.astype(np.float32)
        self.served = self.values.copy()
        self._good = self.values.copy()
        self._first = np.zeros_like(self.values)
        self._second = np.zeros_like(self.values)
        self._pending = np.zeros_like(self.values)
        self._pending_events = 0
        self._adam_steps = 0
        self._window_loss, self._window_events = 0.0, 0
        self._long_loss: float | None = None
        self.steps = 0

    def learn(
        self, standardised: Matrix, gates: NDArray[np.float32], target: int, weight: float
    ) -> tuple[float, bool]:
        """Learn from one event.

        Args:
            standardised: Signals of the candidates, [n, signals].
            gates: [gates].
            target: The candidate that the event was on.
            weight: How much it counts; not negative.

        Returns:
            The loss of what serves before the step, and whether the last good weights came back.
        """
        loss, _ = softmax_gradient(standardised @ (gates @ self.served), target)
        _, by_score = softmax_gradient(standardised @ (gates @ self.values), target)
        if not math.isfinite(loss):
            self._fall_back()
            return loss, True
        by_weight = np.float32(weight) * (by_score @ standardised)
        self._pending += gates[:, None] * by_weight[None, :]
        self._pending_events += 1
        self.steps += 1
        if self._pending_events >= self._settings.batch_events:
            self._step()
        return loss, self._followed(loss)

    def state(self) -> bytes:
        """Everything, as MessagePack."""
        arrays = [
            array.astype("<f4").tobytes()
            for array in (self.values, self.served, self._good, self._first, self._second, self._pending)
        ]
        numbers = (self._pending_events, self._adam_steps, self._window_events, self.steps)
        return msgspec.msgpack.encode(
            (self.values.shape, arrays, numbers, self._window_loss, self._long_loss)
        )

    def restore(self, state: bytes) -> None:
        """Go on where `state` was taken.

        Raises:
            ModelError: It is something else, or of weights of another shape.
        """
        try:
            shape, raw, numbers, window_loss, long_loss = msgspec.msgpack.decode(
                state,
                type=tuple[tuple[int, int], list[bytes], tuple[int, int, int, int], float, float | None],
            )
            arrays = [np.frombuffer(one, "<f4").reshape(shape).astype(np.float32) for one in raw]
        except (msgspec.MsgspecError, ValueError) as error:
            raise ModelError(f"the state of the ranker's learner cannot be read: {error}") from None
        if shape != self.values.shape or len(arrays) != 6:
            raise ModelError(f"the learner's state is of weights {shape}; they are {self.values.shape}")
        self.values, self.served, self._good, self._first, self._second, self._pending = arrays
        self._pending_events, self._adam_steps, self._window_events, self.steps = numbers
        self._window_loss, self._long_loss = window_loss, long_loss

    def _step(self) -> None:
        settings = self._settings
        gradient = self._pending / np.float32(self._pending_events)
        self._pending = np.zeros_like(self.values)
        self._pending_events = 0
        self._adam_steps += 1
        self._first = _FIRST_MOMENT * self._first + (1.0 - _FIRST_MOMENT) * gradient
        self._second = _SECOND_MOMENT * self._second + (1.0 - _SECOND_MOMENT) * gradient * gradient
        first = self._first / (1.0 - _FIRST_MOMENT**self._adam_steps)
        second = self._second / (1.0 - _SECOND_MOMENT**self._adam_steps)
        # The first events are few, and say more of chance than of people: steps grow with them.
        step_size = settings.step_size * min(1.0, self.steps / max(1, settings.warm_up_events))
        move = step_size * (first / (np.sqrt(second) + _EPSILON) + settings.decay * self.values)
        self.values = self.values - np.clip(move, -settings.max_step, settings.max_step)
        # Of few steps the mean is over all of them.
        decay = min(settings.average_decay, (1.0 + self._adam_steps) / (10.0 + self._adam_steps))
        self.served = decay * self.served + (1.0 - decay) * self.values

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
            return True
        before = mean if self._long_loss is None else self._long_loss
        self._long_loss = before + (mean - before) / _LONG_WINDOWS
        self._good = self.served.copy()
        return False

    def _fall_back(self) -> None:
        self.values = self._good.copy()
        self.served = self._good.copy()
        self._first = np.zeros_like(self.values)
        self._second = np.zeros_like(self.values)
        self._pending = np.zeros_like(self.values)
        self._pending_events = self._adam_steps = 0
        self._window_loss, self._window_events = 0.0, 0
