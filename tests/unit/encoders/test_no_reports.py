"""ONNX Runtime keeps no device id and sends nothing: it is told so before it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
OPENS_A_SESSION = """
from pathlib import Path
from models.encoders.session import ort
ort.InferenceSession(Path("models/encoders/image-cnn-64/model.onnx").read_bytes())
"""


def test_nothing_is_kept_to_report_with(tmp_path: Path) -> None:
    """What it would report is kept under the home folder, with the device's id (ONNX Runtime 1.32)."""
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", OPENS_A_SESSION], env=environment, cwd=REPOSITORY, check=True)
    assert not list(tmp_path.rglob("*"))
