"""The learned ranker: additive in its signals, with weights that depend on the person's moment.

For a candidate with signals x and a moment with gates g::

    z_k   = (x_k − mean over candidates) / spread_k,   within [−8, 8]
    score = Σ_k (gᵀ W)_k · z_k

so each signal adds exactly ``(gᵀ W)_k · z_k``. With g₀ = 1 the first row of W is what holds always; the
others are what a returning visitor, a newcomer or a page in progress changes.

Where there are several objectives (`models.ranking.objectives`), each has a W_o of its own, and the mean of
these ranks, weighted by how much each objective counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """W by the names of gates and signals, float32 [gates, signals].

    ``objectives``: objective → its own W, where there are several.
    """

    gates: tuple[str, ...]
    signals: tuple[str, ...]
    values: Matrix
    objectives: Mapping[str, Matrix] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.gates), len(self.signals))
        for values in (self.values, *self.objectives.values()):
            if values.shape != expected:
                raise DimensionError(f"ranker weights must be {expected}; they are {values.shape}")

    def effective(
        self, gates: NDArray[np.float32], counts: Mapping[str, float] | None = None
    ) -> NDArray[np.float32]:
        """Weights of the signals at a moment, float32 [signals].

        Args:
            gates: float32 [gates].
            counts: Objective → how much it counts, not negative and not all 0; one that has no W of its own
                yet has that of all events. None or empty: what all events say ranks.
        """
        if not counts or not self.objectives:
            return gates @ self.values
        mixed = np.zeros_like(self.values)
        for objective, count in counts.items():
            mixed += np.float32(count) * self.objectives.get(objective, self.values)
        return gates @ (mixed / np.float32(sum(counts.values())))


class _Stored(msgspec.Struct, array_like=True):
    """Names of gates and signals, and numbers, float32, little-endian."""

    gates: tuple[str, ...]
    signals: tuple[str, ...]
    values: bytes
    objectives: dict[str, bytes] = {}


def encode_weights(weights: RankerWeights) -> bytes:
    """The weights as MessagePack."""
    own = {name: values.astype("<f4").tobytes() for name, values in weights.objectives.items()}
    return msgspec.msgpack.encode(
        _Stored(weights.gates, weights.signals, weights.values.astype("<f4").tobytes(), own)
    )


def decode_weights(payload: bytes, gates: tuple[str, ...], signals: tuple[str, ...]) -> RankerWeights:
    """Read what `encode_weights` wrote; weights are found by name, those of new signals are 0.

    Raises:
        ModelError: It is something else, or holds numbers that are not finite.
    """
    try:
        stored = msgspec.msgpack.decode(payload, type=_Stored)
        shape = (len(stored.gates), len(stored.signals))
        raw = (stored.values, *stored.objectives.values())
        read = [np.frombuffer(one, "<f4").reshape(shape) for one in raw]
    except (msgspec.MsgspecError, ValueError) as error:
        raise ModelError(f"stored ranker weights cannot be read: {error}") from None
    if not all(np.isfinite(values).all() for values in read):
        raise ModelError("stored ranker weights are not finite")
    shared, *own = [_by_name(stored, values, gates, signals) for values in read]
    return RankerWeights(gates, signals, shared, dict(zip(stored.objectives, own, strict=True)))


def _by_name(stored: _Stored, held: Matrix, gates: tuple[str, ...], signals: tuple[str, ...]) -> Matrix:
    values = np.zeros((len(gates), len(signals)), np.float32)
    for gate, row in zip(stored.gates, held, strict=True):
        if gate in gates:
            for signal, value in zip(stored.signals, row, strict=True):
                if signal in signals:
                    values[gates.index(gate), signals.index(signal)] = value
    return values
