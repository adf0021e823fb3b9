"""ONNX Runtime, told to report to nobody: else its wheels keep a device id and send usage to their maker.

It is imported from here and from nowhere else, as it must be told before.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort  # type: ignore[import-untyped]

ort.disable_telemetry_events()

__all__ = ["ort"]
