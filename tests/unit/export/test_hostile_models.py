"""A model's folder is from elsewhere: what could run code, read other files or take all memory is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import ExportError
from models.export.source import MAX_MODEL_BYTES, open_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like a model, before weights are read."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 2}))
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def rewrite(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def custom_code(folder: Path) -> None:
    rewrite(folder, "config.json", auto_map={"AutoModel": "modeling.Evil"})


def tokenizer_code(folder: Path) -> None:
    rewrite(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]})


def adapter(folder: Path) -> None:
    rewrite(folder, "adapter_config.json", base_model_name_or_path="somebody/else")


def link_outside(folder: Path) -> None:
    (folder / "tokenizer.json").symlink_to("/etc/hostname")


def linked_folder(folder: Path) -> None:
    (folder / "1_Pooling").symlink_to("/etc")


def pipe(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def enormous_weights(folder: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)


def enormous_config(folder: Path) -> None:
    with (folder / "config.json").open("wb") as file:
        file.truncate(1 << 30)


def many_layers(folder: Path) -> None:
    rewrite(folder, "config.json", text_config={"num_hidden_layers": 10**6})


def shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    rewrite(folder, "model.safetensors.index.json", weight_map={"a": "../../etc/passwd"})


def deep_config(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 200_000)


def quantised(folder: Path) -> None:
    rewrite(folder, "config.json", quantization_config={"quant_method": "gptq"})


HOSTILE: dict[Callable[[Path], None], str] = {
    pickled: "may run code",
    custom_code: "auto_map",
    tokenizer_code: "auto_map",
    adapter: "adapter",
    link_outside: "outside the model's folder",
    linked_folder: "outside the model's folder",
    pipe: "no plain file",
    enormous_weights: "2 GB are read",
    enormous_config: "no configuration",
    many_layers: "at most 256 layers",
    shards: "several files",
    deep_config: "not valid JSON",
    quantised: "quantised weights",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_it_is_refused_with_the_reason(make: Callable[[Path], None], folder: Path) -> None:
    make(folder)
    with pytest.raises(ExportError, match=HOSTILE[make]):
        open_folder(folder)


def test_what_is_in_order_is_opened(folder: Path) -> None:
    (folder / "README.md").write_text(
        "---\ntags:\n- a\nlicense: apache-2.0\n---\n# A model\nlicense: other\n"
    )
    (folder / "same.json").symlink_to(folder / "config.json")
    opened = open_folder(folder)
    assert (opened.model_type, opened.licence) == ("bert", "apache-2.0")


def test_links_of_a_download_lead_into_its_own_cache(tmp_path: Path, folder: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    folder.rename(blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    assert open_folder(snapshot).model_type == "bert"


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"config\.json"):
        open_folder(tmp_path)
    with pytest.raises(ExportError, match="no folder"):
        open_folder(tmp_path / "none")
