"""`freshet train user-model` as a person meets it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.datasets import open_dataset
from models.user.sequence import SequenceUserModel
from streams.settings import RecommendSettings, Settings
from tests.unit.evaluation.retained import FakeTopics, event_records, feature_messages, feature_records
from tests.unit.user_models.random_user_model import some_history
from workers.cli.running import run
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.user_model_in_use import UserModelInUse

KINDS = {
    "shoes": "leather running shoe with laces and a soft sole",
    "pans": "cast iron frying pan for the kitchen stove",
    "books": "novel about a detective in a foggy harbour town",
}
EACH = 8
PEOPLE, EVENTS = 30, 10
PUBLISHED_MS = round(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1_000)
SMALL = ("--epochs", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who look at one kind of thing after another, all over the same ten days."""
    made = tmp_path_factory.mktemp("data")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    items = [
        {"item_id": f"{kind}-{number}", "title": f"{kind} {number}", "description": text}
        for kind, text in KINDS.items()
        for number in range(EACH)
    ]
    random, names = np.random.default_rng(0), list(KINDS)
    events = [
        {
            "event_id": f"e{day}-{person}",
            "user_id": f"u{person}",
            "item_id": f"{names[(person + day) % 3]}-{int(random.integers(EACH))}",
            "action": "dislike" if (day + person) % 7 == 6 else "click",
            "occurred_at": (start + timedelta(days=day, minutes=person)).isoformat(),
        }
        for day in range(EVENTS)
        for person in range(PEOPLE)
    ]
    for name, lines in (("items", items), ("events", events)):
        (made / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def trained(folder: Path | None, out: Path, *arguments: str) -> dict[str, Any]:
    """What the command says of a data set; None: of the topics."""
    file = out.parent / f"{out.name}.json"
    source = ["--from-topics"] if folder is None else ["--dataset", str(folder)]
    given = ["train", "user-model", *source, "--out", str(out), *SMALL, "--json", str(file)]
    assert run([*given, *arguments]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_it_writes_a_bundle_that_serves_and_a_report(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    found = trained(folder, out, "--report", str(tmp_path / "report"))
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "model.onnx"]
    assert set(found["models"]) == {"decayed-mean", "multi-interest", "sequence"} == set(found["new_items"])
    assert found["onnx_cosine"] >= 0.9999
    assert len(found["losses"]) == 2
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["metrics"]["sequence recall@20"] == found["models"]["sequence"]["recall@20"]
    assert manifest["data_sha256"] == found["data_sha256"]
    # In the space of the settings' fusion, so that workers take it.
    settings = Settings(recommend=RecommendSettings(user_model=out))
    fusion = fusion_in_use(settings, encoder_registry(settings))
    assert manifest["space"] == fusion.space == found["space"]
    model = UserModelInUse(settings, [(fusion.space, fusion.dimension)]).of(fusion.space)
    assert model is not None
    assert model.user_vectors(some_history(5, fusion.dimension)).shape == (1, fusion.dimension)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    plots = {"models.png", "modalities.png", "missing.png", "people.png", "calibration.png"}
    assert names == {"user_model.md", "loss.png", *plots}
    page = (tmp_path / "report" / "user_model.md").read_text()
    assert "multi-interest" in page
    # People are described by the decayed mean where settings name no user model.
    assert found["comparison"]["in_use"] == manifest["compared_with"] == f"decayed-mean in {fusion.space}"
    assert f"in use: decayed-mean in {fusion.space}" in page
    for metric in ("recall@20", "ndcg@20"):
        assert found["in_use"][metric] == found["models"]["decayed-mean"][metric]
        assert manifest["metrics"][f"{metric} in use"] == found["in_use"][metric]
        assert found["trained"][metric] == found["models"]["sequence"][metric]
    assert manifest["metrics"]["sequence recall@20 text"] == found["trained"]["subsets"]["text"]


def test_the_same_seed_gives_the_same_model_and_another_fusion_another_space(
    folder: Path, tmp_path: Path
) -> None:
    given = ("--seed", "5", "--new-items", "0")
    first, again = (trained(folder, tmp_path / name, *given) for name in ("one", "two"))
    assert first["model_sha256"] == again["model_sha256"]
    assert first["new_items"] is None
    fusion = tmp_path / "fusion"
    small = ("--epochs", "1", "--dimension", "16")
    assert run(["train", "fusion", "--dataset", str(folder), "--out", str(fusion), *small]) == 0
    # The one in use is measured in its own space, though the new one is of another.
    in_use = ("-o", f"recommend.user_model={tmp_path / 'one'}")
    other = trained(folder, tmp_path / "three", *given, "--fusion", str(fusion), *in_use)
    assert other["space"].startswith("gated-")
    assert SequenceUserModel(tmp_path / "three").dimension == 16
    assert other["comparison"]["in_use"] == f"sequence in {first['space']}"
    assert other["in_use"]["recall@20"] == first["trained"]["recall@20"]
    # And not at all where there is no fusion of its space.
    in_use = ("-o", f"recommend.user_model={tmp_path / 'three'}")
    last = trained(folder, tmp_path / "four", *given, *in_use)
    assert last["in_use"] is None
    assert f"vectors of the space {other['space']} [16]" in last["comparison"]["not_compared"]
    assert last["model_sha256"] == first["model_sha256"]


def test_what_topics_hold_trains_the_model_that_the_same_data_set_trains(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, settings = open_dataset(folder), Settings()
    # Topics give items in the order of their ids.
    lines = sorted((folder / "items.jsonl").read_text().splitlines())
    (tmp_path / "sorted").mkdir()
    (tmp_path / "sorted" / "items.jsonl").write_text("\n".join(lines))
    (tmp_path / "sorted" / "events.jsonl").write_text((folder / "events.jsonl").read_text())
    topics = FakeTopics(monkeypatch)
    topics.publish(feature_records(settings, feature_messages(dataset, settings)))
    topics.publish(event_records(settings, dataset.events()), PUBLISHED_MS)
    given = ("--new-items", "0")
    from_folder = trained(tmp_path / "sorted", tmp_path / "one", *given)
    from_topics = trained(None, tmp_path / "two", *given)
    assert from_topics["model_sha256"] == from_folder["model_sha256"]
    assert from_topics["dataset"] == "the topics freshet.*"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name a --dataset, or give --from-topics."),
        (["--dataset", ".", "--from-topics"], "Name a --dataset, or give --from-topics."),
        (["--from-topics", "--cache", "here"], "--cache goes with --dataset"),
    ],
)
@pytest.mark.parametrize("command", ["fusion", "user-model"])
def test_one_source_is_named(
    command: str, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", command, "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_all_three_are_compared_offline(folder: Path, tmp_path: Path) -> None:
    names = ("user-decayed-mean", "user-multi-interest", "user-sequence")
    file = tmp_path / "found.json"
    given = ["evaluate", "offline", "--dataset", str(folder), "--models", ",".join(names), "--seeds", "1"]
    assert run([*given, "--no-masks", "--cold-items", "0.2", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert set(found["models"]) == set(names)
    for one in found["models"].values():
        assert one["cold_items"]["among_new"]["recall@20"] > 0.0


def test_data_without_times_are_the_persons_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    pairs = np.array([[person, item] for person in range(4) for item in range(3)], np.int32)
    np.savez(folder / "interactions.npz", train=pairs, val=pairs[:, ::-1][:3], test=pairs[:3])
    np.save(folder / "image_feat.npy", np.ones((4, 4), np.float16))
    given = ["train", "user-model", "--dataset", str(folder), "--out", str(tmp_path / "out")]
    assert run(given) == 1
    told = capsys.readouterr().err
    assert "times" in told
    assert "Traceback" not in told


def test_a_folder_that_is_no_fusion_is_the_persons_mistake(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "user-model", "--dataset", str(folder), "--out", str(tmp_path / "out")]
    assert run([*given, "--fusion", str(tmp_path)]) != 0
    told = capsys.readouterr().err
    assert "freshet train fusion" in told
    assert "Traceback" not in told
