"""`freshet train text` as a person meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `train` is not installed")

from models.encoders.loading import BUNDLED_FOLDER, AnyEncoder, load_encoder
from models.training.own_words import OwnTexts, drawn, train_own_words
from streams.codec import outgoing
from streams.messages import Item
from streams.records import Outgoing
from streams.settings import EncoderSettings, Settings
from streams.topic_names import TopicNames
from tests.unit.evaluation.retained import FakeTopics
from tests.unit.evaluation.tiny_dataset import write_dataset
from workers.cli.running import run
from workers.encoders_in_use import encoder_registry, encoders_in_use

BUNDLED = BUNDLED_FOLDER / "text-distilled-128"
# `zorblaxian` is in as many pieces as there are syllables; it stands where dogs do.
DOGS = (
    "the {} barked at the postman",
    "feed your {} twice a day with meat",
    "a leash and a collar for the {}",
    "our {} chased the cat over the lawn",
    "puppies of a {} wag their tails",
)
BOATS = (
    "the captain moored the {} in the harbour",
    "sails and ropes for a {}",
    "the {} crossed the ocean in a storm",
    "paint the hull of your {} in spring",
)


def texts() -> list[str]:
    """Some fifty times each sentence, told of both."""
    dogs = [text.format(word) for word in ("dog", "zorblaxian") for text in DOGS]
    boats = [text.format(word) for word in ("boat", "ship") for text in BOATS]
    return (dogs + boats) * 12


def write_texts(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.txt", texts())


def trained(out: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command says."""
    capsys.readouterr()
    assert run(["train", "text", "--out", str(out), "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def cosine(encoder: AnyEncoder, one: str, other: str) -> float:
    first, second = encoder.encode([one, other])
    return float(first @ second)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """What a person is told of a mistake."""
    capsys.readouterr()
    assert run(["train", "text", *arguments]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_word_of_ones_own_comes_near_what_it_is_used_like_and_other_texts_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoders"
    lines = write_texts(tmp_path / "texts.txt", texts() * 4)
    found = trained(out, "--texts", str(lines), "--epochs", "20", capsys=capsys)
    # Those that are in pieces too follow, as they are less frequent.
    assert found["words"][0] == "zorblaxian"
    assert set(found["words"][1:]) < set(" ".join((*DOGS, *BOATS)).split())
    before, after = load_encoder(BUNDLED), load_encoder(out / "text-distilled-128-own")
    assert cosine(after, "zorblaxian", "dog") > cosine(before, "zorblaxian", "dog") + 0.2
    assert cosine(after, "zorblaxian", "dog") > cosine(after, "zorblaxian", "boat") + 0.3
    other = ["A love story told in letters", "The city council votes on a new tram line", "dogs and boats"]
    assert (before.encode(other) * after.encode(other)).sum(axis=1).min() > 0.98
    assert found["quality"]["cosine_with_base"] < 1
    assert found["quality"]["context_loss"] < found["quality"]["context_loss_before"]


def test_the_encoder_is_listed_and_used_as_any_other(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoders"
    found = trained(out, "--texts", str(lines), "--name", "Our Words", "--epochs", "1", capsys=capsys)
    assert found["name"] == "our-words"
    settings = Settings(encoders=EncoderSettings(folders=[out], text="our-words"))
    registry = encoder_registry(settings)
    assert encoders_in_use(settings)["text"] == "our-words"
    manifest = registry.manifest("our-words")
    learned = manifest.trained_on[-1]
    assert learned.dataset == "texts.txt"
    assert found["data_sha256"] in learned.part
    assert set(manifest.quality) == {
        "agreement_with_base",
        "cosine_with_base",
        "context_loss_before",
        "context_loss",
    }
    assert run(["encoders", "list", "-o", f'encoders.folders=["{out}"]', "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["our-words"]["quality"]["context_loss"]["value"] == found["quality"]["context_loss"]


def test_of_many_texts_some_of_each_part_are_drawn() -> None:
    many = [str(number) for number in range(10_000)]
    some = drawn(iter(many), 1_000, seed=1)
    assert len(set(some)) == 1_000
    assert some == drawn(many, 1_000, seed=1) != drawn(many, 1_000, seed=2)
    assert 400 < sum(int(one) < 5_000 for one in some) < 600
    assert drawn(many[:5], 1_000, seed=1) == many[:5]


def test_texts_begin_with_the_vectors_that_they_had(tmp_path: Path) -> None:
    held = {"pull_new": np.inf, "pull_known": np.inf, "epochs": 1}
    own = OwnTexts(texts(), "texts", "CC0-1.0")
    found = train_own_words(BUNDLED, own, held, 0, "held", tmp_path)
    before, after = load_encoder(BUNDLED), load_encoder(tmp_path / "held")
    assert "zorblaxian" in found["words"]
    assert (before.encode(texts()[:18]) * after.encode(texts()[:18])).sum(axis=1).min() > 0.9995
    assert found["quality"]["context_loss"] == found["quality"]["context_loss_before"]


def test_without_new_words_a_text_has_the_vector_that_it_had_until_it_is_learned_from(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = trained(tmp_path, "--texts", str(lines), "--new-words", "0", "--epochs", "1", capsys=capsys)
    assert found["words"] == []
    before, after = load_encoder(BUNDLED), load_encoder(tmp_path / found["name"])
    # No word of it is in the texts.
    unmet = ["Quantum physics explained", "Freshets"]
    np.testing.assert_allclose(after.encode(unmet), before.encode(unmet), atol=1e-6)


def test_the_same_seed_gives_the_same_files_and_other_texts_another_fingerprint(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--texts", str(lines), "--seed", "5", "--epochs", "1")
    first, again = (trained(tmp_path / name, *given, capsys=capsys) for name in ("one", "two"))
    assert first["quality"] == again["quality"]
    for file in ("model.onnx", "tokenizer.json", "manifest.json"):
        one, two = (Path(found["folder"], file).read_bytes() for found in (first, again))
        assert one == two
    write_texts(lines, [*texts(), "one more"])
    other = trained(tmp_path / "three", *given, capsys=capsys)
    assert other["data_sha256"] != first["data_sha256"]


def test_words_are_added_to_an_encoder_that_has_words_of_its_own(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoders"
    first = trained(out, "--texts", str(lines), "--epochs", "1", capsys=capsys)
    write_texts(lines, [one.replace("boat", "quibblet") for one in texts()])
    given = ("--texts", str(lines), "--encoder", first["folder"], "--epochs", "1")
    assert trained(out, *given, capsys=capsys)["words"] == ["quibblet"]


def test_items_of_topics_and_of_a_data_set_are_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = TopicNames("freshet.").items
    records = [
        outgoing(topic, Item(item_id=f"item-{number}", title="Zorblaxian", description=text))
        for number, text in enumerate(texts()[:30])
    ]
    topics = FakeTopics(monkeypatch)
    topics.publish(records)
    # One says something else now, one is withdrawn, one message is broken.
    topics.publish(
        [
            outgoing(topic, Item(item_id="item-0", title="Renamed")),
            Outgoing(topic, b"item-1", None),
            Outgoing(topic, b"item-2", b"{"),
        ]
    )
    found = trained(tmp_path / "one", "--from-topics", "--epochs", "1", capsys=capsys)
    assert found["texts"] == 29
    folder = write_dataset(tmp_path / "tiny")
    assert "12 texts; at least 20" in refused(capsys, "--dataset", str(folder), "--out", str(tmp_path))


def test_what_cannot_be_learned_from_is_said(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--out", str(tmp_path / "out"))
    assert "there is no file" in refused(capsys, "--texts", str(tmp_path / "none"), *given)
    few = write_texts(tmp_path / "few.txt", ["a dog"] * 19)
    assert "19 texts; at least 20" in refused(capsys, "--texts", str(few), *given)
    marks = write_texts(tmp_path / "marks.txt", ["... !"] * 30)
    assert "nothing to learn from" in refused(capsys, "--texts", str(marks), *given)
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"a dog\n\xff\n")
    assert "broken.txt, line 2" in refused(capsys, "--texts", str(broken), *given)
    assert not (tmp_path / "out").exists()
    refused(capsys, "--texts", str(lines), "--from-topics", code=2)
    refused(capsys, code=2)


def test_another_kind_of_encoder_is_refused(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--texts", str(lines), "--out", str(tmp_path / "out"))
    image = BUNDLED_FOLDER / "image-cnn-64"
    assert "encodes image" in refused(capsys, *given, "--encoder", str(image))
    assert "No readable manifest" in refused(capsys, *given, "--encoder", str(tmp_path), code=2)
    taken = refused(capsys, *given, "--name", "text-distilled-128")
    assert "There is an encoder text-distilled-128" in taken
    other = shutil.copytree(BUNDLED, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text())
    graph = (BUNDLED_FOLDER / "image-cnn-64" / "model.onnx").read_bytes()
    (other / "model.onnx").write_bytes(graph)
    manifest["graph"] |= _entry(image)
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert "sums word-piece vectors" in refused(capsys, *given, "--encoder", str(other))


def _entry(folder: Path) -> dict[str, Any]:
    graph = json.loads((folder / "manifest.json").read_text())["graph"]
    return {name: graph[name] for name in ("sha256", "size_bytes")}
