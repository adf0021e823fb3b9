"""The learned ranker: additive in its signals, with weights that depend on the person's moment.

For a candidate with signals x and a moment with gates g::

    z_k   = (x_k − mean over candidates) / spread_k,   within [−8, 8]
    score = Σ_k (gᵀ W)_k · z_k

so each signal adds exactly ``(gᵀ W)_k · z_k``. With g₀ = 1 the first row of W is what holds always; the
others are what a returning visitor, a newcomer or a page in progress changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError, ModelError

_LIMIT = 8.0
Matrix = NDArray[np.float32]


def standardise(signals: Matrix, spreads: NDArray[np.float32]) -> Matrix:
    """z for signals [n, K] of one list of candidates, float32 [n, K], laid out in memory as these."""
    centred = signals - signals.mean(axis=0, keepdims=True) if len(signals) else signals.copy()
    centred /= spreads
    np.maximum(centred, -_LIMIT, out=centred)
    return np.minimum(centred, _LIMIT, out=centred)


@dataclass(frozen=True, slots=True)
class RankerWeights:
    """W by the names of gates and signals, float32 [gates, signals]."""

    gates: tuple[str, ...]
    signals: tuple[str, ...]
    values: Matrix

    def __post_init__(self) -> None:
        expected = (len(self.gates), len(self.signals))
        if self.values.shape != expected:
            raise DimensionError(f"ranker weights must be {expected}; they are {self.values.shape}")

    def effective(self, gates: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights of the signals at a moment, float32 [signals]."""
        return gates @ self.values


def encode_weights(weights: RankerWeights) -> bytes:
    """The weights as MessagePack."""
    values = weights.values.astype("<f4").tobytes()
    return msgspec.msgpack.encode((weights.gates, weights.signals, values))


def decode_weights(payload: bytes, gates: tuple[str, ...], signals: tuple[str, ...]) -> RankerWeights:
    """Read what `encode_weights` wrote; weights are found by name, those of new signals are 0.

    Raises:
        ModelError: It is something else, or holds numbers that are not finite.
    """
    try:
        had_gates, had_signals, raw = msgspec.msgpack.decode(
            payload, type=tuple[tuple[str, ...], tuple[str, ...], bytes]
        )
        held = np.frombuffer(raw, "<f4").reshape(len(had_gates), len(had_signals))
    except (msgspec.MsgspecError, ValueError) as error:
        raise ModelError(f"stored ranker weights cannot be read: {error}") from None
    if not np.isfinite(held).all():
        raise ModelError("stored ranker weights are not finite")
    values = np.zeros((len(gates), len(signals)), np.float32)
    for gate, row in zip(had_gates, held, strict=True):
        if gate in gates:
            for signal, value in zip(had_signals, row, strict=True):
                if signal in signals:
                    values[gates.index(gate), signals.index(signal)] = value
    return RankerWeights(gates, signals, values)
