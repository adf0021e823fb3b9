"""Weights and configurations that do not fit together, met when a network is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")

from safetensors.torch import load_file, save_file

from models.errors import ExportError
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from tests.unit.export.tiny_models import save_bert


def refused(folder: Path, out: Path) -> str:
    with pytest.raises(ExportError) as found:
        add_encoders(AddRequest(source=str(folder), out=out))
    assert not out.exists() or list(out.iterdir()) == []
    return str(found.value)


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_network_of_any_size_is_described_and_not_built(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    change_config(folder, vocab_size=10**12)
    assert "parameters; at most 500,000,000" in refused(folder, tmp_path / "out")


def test_weights_that_lack_a_part(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "layer.1" in name)
    save_file({name: value for name, value in weights.items() if name != gone}, folder / "model.safetensors")
    assert gone in refused(folder, tmp_path / "out")


def test_weights_of_another_shape(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    change_config(folder, intermediate_size=128)
    assert "cannot load" in refused(folder, tmp_path / "out")


def test_weights_that_are_none(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    assert "cannot load" in refused(folder, tmp_path / "out")


def test_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    change_config(folder, model_type="brain")
    assert "brain" in refused(folder, tmp_path / "out")


def test_steps_after_the_network_that_are_not_known(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    for kind in ("os.system", "sentence_transformers.models.LSTM"):
        steps = [{"idx": 0, "name": "0", "path": "", "type": kind}]
        (folder / "modules.json").write_text(json.dumps(steps))
        assert kind in refused(folder, tmp_path / "out")


def test_a_step_outside_the_folder(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    steps = [{"idx": 0, "name": "0", "path": "../2_Dense", "type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    assert "leaves its folder" in refused(folder, tmp_path / "out")


def test_a_dense_step_that_names_what_is_to_be_called(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"activation_function": "os.abort"}))
    steps = [{"idx": 0, "name": "0", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    assert "os.abort" in refused(folder, tmp_path / "out")


def test_steps_that_are_no_list(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    for steps in ({"0": "x"}, ["x"]):
        (folder / "modules.json").write_text(json.dumps(steps))
        assert "no list of steps" in refused(folder, tmp_path / "out")


def test_code_from_a_hub(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    change_config(folder, text_config={"_attn_implementation_internal": "someone/kernels"})
    assert "someone/kernels" in refused(folder, tmp_path / "out")


def test_a_dense_step_with_pickled_weights(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"pickle")
    steps = [{"idx": 0, "name": "0", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    assert "may run code" in refused(folder, tmp_path / "out")
