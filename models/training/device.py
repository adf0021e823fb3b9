"""Where networks learn: on the CPU, unless a GPU is asked for.

What is random about data is drawn on the CPU, so that one seed shows the same on any device; sums of floating
point numbers differ between devices, and so do results. What is exported is exported from the CPU.
"""

from __future__ import annotations

import os
from typing import Literal, TypeAlias, get_args

import torch

from models.errors import SettingError

DeviceName: TypeAlias = Literal["cpu", "cuda", "auto"]
DEVICE_NAMES: tuple[DeviceName, ...] = get_args(DeviceName)
CPU = torch.device("cpu")


def training_device(name: DeviceName) -> torch.device:
    """The device of this name.

    Args:
        name: ``cpu``; ``cuda``, a GPU; ``auto``, a GPU where there is one, else the CPU.

    Raises:
        SettingError: A GPU is asked for, and PyTorch finds none.
    """
    if name == "cpu":
        return CPU
    if torch.cuda.is_available():
        # Without it cuBLAS may add in whatever order its streams come.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        return torch.device("cuda")
    if name == "auto":
        return CPU
    raise SettingError(
        "the device is cuda, and PyTorch finds no GPU: check its driver (nvidia-smi), and that PyTorch was "
        "installed with CUDA, or take the device cpu or auto"
    )


def device_of(network: torch.nn.Module) -> torch.device:
    """Where a network's parameters are."""
    found: torch.device = next(network.parameters()).device
    return found
