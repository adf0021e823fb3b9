"""`freshet encoders add` as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.export.samples import MADE_UP_TEXTS
from tests.unit.encoders.tiny_encoders import flatten_model
from workers.cli.running import run


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "pixels.onnx"
    path.write_bytes(flatten_model())
    return path


def test_it_is_listed_and_checked_afterwards(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoders"
    assert run(["encoders", "add", str(graph), "--out", str(out), "--licence", "MIT"]) == 0
    shown = capsys.readouterr().out
    assert f'folders = ["{out}"]' in shown
    assert 'image = "pixels"' in shown
    setting = ["-o", f'encoders.folders=["{out}"]']
    assert run(["encoders", "list", "--json", *setting]) == 0
    (listed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "pixels"]
    assert listed["size_bytes"] == graph.stat().st_size
    assert (listed["licence"], listed["modality"]) == ("MIT", "image")
    assert run(["encoders", "check", "pixels", *setting]) == 0


def test_what_was_measured_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")
    from tests.unit.export.tiny_models import save_bert

    folder = save_bert(tmp_path / "bert", intermediate_size=512)
    out = tmp_path / "encoders"
    assert run(["encoders", "add", str(folder), "--out", str(out), "--int8", "--json"]) == 0
    (added,) = json.loads(capsys.readouterr().out)
    assert run(["encoders", "list", "--json", "-o", f'encoders.folders=["{out}"]']) == 0
    (listed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "bert"]
    assert listed["quality"] == added["quality"]
    assert listed["quality"]["cosine_with_pytorch"]["value"] >= 0.9999
    assert listed["quality"]["int8_mean_cosine"]["dataset"].startswith(str(len(MADE_UP_TEXTS)))
    assert listed["size_bytes"] == added["size_bytes"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("./none", "There is no none"),
        ("no/such/model", "There is no no/such/model"),
        ("{file}", "neither a folder nor an .onnx file"),
        ("{folder}", "config.json"),
    ],
)
def test_mistakes_are_explained(
    source: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.txt").write_text("no model")
    given = source.format(file=tmp_path / "file.txt", folder=tmp_path)
    assert run(["encoders", "add", given, "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_options_that_are_no_json_object(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tmp_path / "options.json"
    for text, said in (("[1]", "no JSON object"), ("{", "not valid JSON")):
        options.write_text(text)
        assert run(["encoders", "add", str(graph), "--preprocessing", str(options)]) == 1
        assert said in capsys.readouterr().err


def test_an_onnx_file_is_added_without_pytorch(graph: Path, tmp_path: Path) -> None:
    """As in an environment without the extra: PyTorch and transformers are not even looked for."""
    code = f"""
import sys
for name in ("torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx"):
    sys.modules[name] = None
from workers.cli.running import run
sys.exit(run(["encoders", "add", {str(graph)!r}, "--out", {str(tmp_path / "out")!r}]))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "pixels" / "manifest.json").is_file()
