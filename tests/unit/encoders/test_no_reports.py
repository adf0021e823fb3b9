"""ONNX Runtime keeps no device id and sends nothing: it is told so before it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
OPENS_A_SESSION = """
from pathlib import Path
{imported}
ort.InferenceSession(Path({graph!r}).read_bytes())
"""


@pytest.mark.parametrize(
    "imported",
    ["from models.encoders.session import ort", "from workers.language_model.onnx_decoder import ort"],
)
def test_nothing_is_kept_to_report_with(tmp_path: Path, imported: str) -> None:
    """What it would report is kept under the home folder, with the device's id (ONNX Runtime 1.32)."""
    graph = REPOSITORY / "models" / "encoders" / "image-cnn-64" / "model.onnx"
    code = OPENS_A_SESSION.format(imported=imported, graph=str(graph))
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
