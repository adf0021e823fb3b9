"""A discrete Fourier transform of windowed frames: as a matrix, and as operators that compute it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

FRAME_SAMPLES, FFT_SIZE = 400, 512
BINS = FFT_SIZE // 2 + 1


def fourier_basis() -> NDArray[np.float32]:
    """A discrete Fourier transform under a Hann window, [2 * BINS, 1, FRAME_SAMPLES]: cosines, then sines."""
    angles = 2 * np.pi * np.outer(np.arange(BINS), np.arange(FRAME_SAMPLES)) / FFT_SIZE
    basis = np.concatenate([np.cos(angles), -np.sin(angles)]) * _window()
    return basis[:, None, :].astype(np.float32)


def computed_basis(name: str) -> tuple[list[TensorProto], list[NodeProto]]:
    """Constants and nodes that make `fourier_basis` as ``name``, within 1e-6.

    cos(2π (k n + s) / FFT_SIZE) · window[n], with s = 0, or a quarter of FFT_SIZE, which makes it -sin. The
    phase is kept below FFT_SIZE in integers, as float32 cannot tell the angles of large ones.
    """
    whole = np.int32
    constants: dict[str, NDArray[Any]] = {
        "bin": np.tile(np.arange(BINS, dtype=whole), 2)[:, None, None],
        "shift": np.repeat(np.array([0, FFT_SIZE // 4], whole), BINS)[:, None, None],
        "sample": np.arange(FRAME_SAMPLES, dtype=whole),
        "size": np.array(FFT_SIZE, whole),
        "step": np.array(2 * np.pi / FFT_SIZE, np.float32),
        "window": _window().astype(np.float32),
    }

    def node(operator: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
        names = [f"{name}_{one}" for one in inputs]
        return helper.make_node(operator, names, [f"{name}_{output}" if output else name], **attributes)

    nodes = [
        node("Mul", ["bin", "sample"], "turns"),
        node("Add", ["turns", "shift"], "shifted"),
        node("Mod", ["shifted", "size"], "phase"),
        node("Cast", ["phase"], "real", to=TensorProto.FLOAT),
        node("Mul", ["real", "step"], "angle"),
        node("Cos", ["angle"], "wave"),
        node("Mul", ["wave", "window"], ""),
    ]
    return [numpy_helper.from_array(value, f"{name}_{key}") for key, value in constants.items()], nodes


def _window() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)
