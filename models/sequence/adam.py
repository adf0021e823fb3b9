"""Adam for arrays by name, of which some steps move only some rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from models.sequence.history import Floats, Ints

_FIRST, _SECOND = 0.9, 0.999


class Adam:
    """Adam (Kingma and Ba 2015) with decoupled decay (Loshchilov and Hutter 2019).

    Args:
        parameters: What moves, by name; changed in place.
        decay: As a fraction of the rate.
        decayed: Names that decay.
    """

    def __init__(self, parameters: dict[str, Floats], decay: float, decayed: Collection[str]) -> None:
        self._parameters = parameters
        self._decay = decay
        self._decayed = decayed
        self.first = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.steps = 0

    def step(
        self, gradients: Mapping[str, Floats], rows: Ints | None, by_row: Collection[str], rate: float
    ) -> None:
        """One step.

        Args:
            gradients: By name.
            rows: Those that the gradients of ``by_row`` are for, int64 [m]; None: all.
            by_row: Names of which only ``rows`` move.
            rate: Length of the step.
        """
        self.steps += 1
        one = np.float32(1 - _FIRST**self.steps)
        two = np.float32(1 - _SECOND**self.steps)
        for name, g in gradients.items():
            p, m, v = self._parameters[name], self.first[name], self.second[name]
            part = rows is not None and name in by_row
            mm, vv = (m[rows], v[rows]) if part else (m, v)
            mm *= np.float32(_FIRST)
            mm += np.float32(1 - _FIRST) * g
            vv *= np.float32(_SECOND)
            vv += np.float32(1 - _SECOND) * (g * g)
            move = np.sqrt(vv / two)
            move += np.float32(1e-8)
            np.divide(mm, move, out=move)
            move *= np.float32(rate) / one
            if self._decay and name in self._decayed:
                move += np.float32(rate * self._decay) * (p[rows] if part else p)
            if part:
                m[rows], v[rows] = mm, vv
                p[rows] -= move
            else:
                p -= move

    def moments(self) -> dict[str, Floats]:
        """Both moments, as `m.NAME` and `v.NAME` (not copies)."""
        first = {f"m.{name}": value for name, value in self.first.items()}
        return {**first, **{f"v.{name}": value for name, value in self.second.items()}}
