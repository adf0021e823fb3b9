"""A training run that can be stopped and goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from models.errors import TrainingError


class Stateful(Protocol):
    """A network, an optimiser or a schedule."""

    def state_dict(self) -> Any:
        """All that is to be kept."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Go on from what was kept."""


class Checkpoint:
    """Keeps a run's state in a file after every epoch.

    Args:
        path: The file; None keeps nothing.
        run: Tells this run's settings and data from others.
        random: NumPy's generator of the run; PyTorch's is kept as well.
        parts: What has a state, by name.
    """

    def __init__(
        self, path: Path | None, run: str, random: np.random.Generator, parts: Mapping[str, Stateful]
    ) -> None:
        self._path = path
        self._run = run
        self._random = random
        self._parts = parts

    def keep(self, losses: list[float]) -> None:
        """Write the state; ``losses`` has one an epoch so far."""
        if self._path is None:
            return
        state: dict[str, Any] = {
            "run": self._run,
            "losses": losses,
            **{name: part.state_dict() for name, part in self._parts.items()},
            "torch": torch.get_rng_state(),
            "numpy": self._random.bit_generator.state,
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._path)

    def resume(self) -> list[float]:
        """Go on from the file, where it is there; the losses of the epochs that are done.

        It may have been written on another device: parts are put where they are now.

        Raises:
            TrainingError: It is of another run.
        """
        if self._path is None or not self._path.exists():
            return []
        state = torch.load(self._path, weights_only=True, map_location="cpu")
        if state["run"] != self._run:
            raise TrainingError(
                f"{self._path} belongs to a run with other settings or data. Delete it, or name another."
            )
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["torch"])
        if state.get("cuda") is not None and torch.cuda.is_initialized():
            torch.cuda.set_rng_state(state["cuda"])
        self._random.bit_generator.state = state["numpy"]
        return list(state["losses"])
