"""`freshet train fusion` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.datasets import open_dataset
from models.encoders.registry import EncoderRegistry
from models.errors import TrainingError
from models.fusion.trained import TrainedFusion
from streams.settings import FusionSettings, Settings
from tests.unit.evaluation.retained import FakeTopics, event_records, feature_messages, feature_records
from tests.unit.evaluation.tiny_dataset import START, write_dataset
from tests.unit.fusion.tastes import PEOPLE, tastes
from workers.cli.running import run
from workers.encoders_in_use import encoder_registry, fusion_in_use

SMALL = ("--epochs", "2", "--dimension", "16")


@pytest.fixture
def presplit(tmp_path: Path) -> Path:
    """A folder of the kind of `tiktok`."""
    data = tastes()
    folder = tmp_path / "data"
    folder.mkdir()
    later = np.column_stack([np.arange(PEOPLE), data.held_out])
    rows, columns = data.train.nonzero()
    np.savez(
        folder / "interactions.npz",
        train=np.column_stack([rows, columns]).astype(np.int32),
        val=later[: PEOPLE // 2].astype(np.int32),
        test=later[PEOPLE // 2 :].astype(np.int32),
    )
    for modality, features in data.features.items():
        np.save(folder / f"{modality}_feat.npy", features.astype(np.float16))
    return folder


def trained(folder: Path | None, out: Path, *arguments: str) -> dict[str, Any]:
    """What the command says of a data set; None: of the topics."""
    file = out.parent / "found.json"
    source = ["--from-topics"] if folder is None else ["--dataset", str(folder)]
    given = ["train", "fusion", *source, "--out", str(out), *SMALL, "--json", str(file)]
    assert run([*given, *arguments]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_it_writes_a_bundle_and_a_report(presplit: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    found = trained(presplit, out, "--report", str(tmp_path / "report"))
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "model.onnx"]
    assert set(found["subsets"]) == {"image+audio", "image", "audio"}
    assert found["missing"]["0.0"] == found["subsets"]["image+audio"] > found["missing"]["0.75"]
    assert found["onnx_cosine"] >= 0.9999
    assert len(found["losses"]) == 2
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["metrics"]["recall@20"] == found["subsets"]["image+audio"]
    assert manifest["data_sha256"] == found["data_sha256"]
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "fusion.md",
        "loss.png",
        "modalities.png",
        "missing.png",
        "people.png",
        "calibration.png",
    }
    assert "image+audio" in (tmp_path / "report" / "fusion.md").read_text()


def test_it_is_compared_with_the_fixed_fusion_and_then_with_the_one_that_settings_name(
    presplit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(presplit, tmp_path / "first", "--report", str(tmp_path / "report"))
    assert first["comparison"]["in_use"].startswith("linear-")
    assert first["comparison"]["people"] == PEOPLE // 2
    in_use = str(tmp_path / "first")
    again = trained(presplit, tmp_path / "again", "--seed", "1", "-o", f"fusion.bundle={in_use}")
    manifest = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert again["comparison"]["in_use"] == manifest["compared_with"] == f"gated-{first['model_sha256'][:8]}"
    # As it serves it is what it was when it was trained, on the same people.
    assert again["in_use"]["recall@20"] == pytest.approx(first["trained"]["recall@20"], abs=0.01)
    gain = again["comparison"]["gain"]["recall@20"]
    assert gain["mean"] == pytest.approx(again["trained"]["recall@20"] - again["in_use"]["recall@20"])
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert manifest["metrics"]["recall@20 in use"] == again["in_use"]["recall@20"]
    assert set(again["in_use"]["subsets"]) == set(again["trained"]["subsets"])
    assert again["comparison"]["in_use"] in capsys.readouterr().out
    page = (tmp_path / "report" / "fusion.md").read_text()
    assert f"in use: {first['comparison']['in_use']}" in page
    assert "expected calibration error" in page


def test_a_fusion_in_use_of_other_features_is_not_compared_and_the_reason_is_told(
    presplit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_use = tmp_path / "of-a-deployment"
    trained(write_dataset(tmp_path / "tiny"), in_use)
    out = tmp_path / "bundle"
    report = tmp_path / "report"
    found = trained(presplit, out, "-o", f"fusion.bundle={in_use}", "--report", str(report))
    assert (found["in_use"], found["comparison"]["gain"]) == (None, None)
    reason = found["comparison"]["not_compared"]
    assert "learned with the text encoder text-distilled-128" in reason
    assert reason in capsys.readouterr().err
    assert reason in (report / "fusion.md").read_text()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["compared_with"] == ""
    assert "recall@20 in use" not in manifest["metrics"]


def test_the_same_seed_gives_the_same_model_and_other_data_another_fingerprint(
    presplit: Path, tmp_path: Path
) -> None:
    first, again = (trained(presplit, tmp_path / name, "--seed", "5") for name in ("one", "two"))
    assert first["model_sha256"] == again["model_sha256"]
    image = np.load(presplit / "image_feat.npy")
    image[0, 0] += 1
    np.save(presplit / "image_feat.npy", image)
    assert trained(presplit, tmp_path / "three", "--seed", "5")["data_sha256"] != first["data_sha256"]


def test_what_was_trained_on_items_of_a_deployment_is_used_by_its_workers(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    trained(write_dataset(tmp_path / "tiny"), out)
    settings = Settings(fusion=FusionSettings(bundle=out))
    registry: EncoderRegistry = encoder_registry(settings)
    fusion = fusion_in_use(settings, registry)
    assert isinstance(fusion, TrainedFusion)
    assert fusion.dimension == 16
    vector = fusion.fuse({"text": np.ones(128, np.float32)})
    assert vector is not None


def test_what_topics_hold_trains_a_fusion_that_their_workers_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, settings = open_dataset(write_dataset(tmp_path / "tiny")), Settings()
    topics = FakeTopics(monkeypatch)
    topics.publish(feature_records(settings, feature_messages(dataset, settings)))
    topics.publish(event_records(settings, dataset.events()), round(START.timestamp() * 1_000))
    out = tmp_path / "bundle"
    found = trained(None, out)
    assert set(found["subsets"]) == {"text+image", "text", "image"}
    assert found["dataset"] == "the topics freshet.*"
    settings = Settings(fusion=FusionSettings(bundle=out))
    assert fusion_in_use(settings, encoder_registry(settings)).dimension == 16


def test_a_stopped_run_goes_on_with_what_topics_held_when_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, settings = open_dataset(write_dataset(tmp_path / "tiny")), Settings()
    published = list(dataset.events())
    topics = FakeTopics(monkeypatch)
    topics.publish(feature_records(settings, feature_messages(dataset, settings)))
    topics.publish(event_records(settings, published[:-4]), round(START.timestamp() * 1_000))
    whole = trained(None, tmp_path / "whole")
    out = tmp_path / "bundle"
    with monkeypatch.context() as stopped:
        stopped.setattr("models.training.fusion_run.export_fusion", _stop)
        assert run(["train", "fusion", "--from-topics", "--out", str(out), *SMALL]) == 1
    topics.publish(event_records(settings, published[-4:]), round(START.timestamp() * 1_000) + 60_000)
    resumed = trained(None, out)
    assert resumed["model_sha256"] == whole["model_sha256"]
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "model.onnx"]
    # Once it is done, the next run reads what has come since.
    assert trained(None, out)["data_sha256"] != whole["data_sha256"]


def _stop(*_: object) -> None:
    raise TrainingError("stopped")


def test_how_it_learns_is_told_by_options_and_kept_with_the_bundle(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    given = ["--popularity", "0.5", "--modality-dropout", "0.2", "--temperature", "0.3"]
    data = write_dataset(tmp_path / "tiny")
    found = trained(data, out, *given, "--window-s", "86400", "--protocol", "leave-one-out")
    assert found["protocol"] == "leave-one-out"
    settings = json.loads((out / "manifest.json").read_text())["settings"]
    wanted = {"popularity": 0.5, "modality_dropout": 0.2, "temperature": 0.3, "window_s": 86_400.0}
    assert {name: settings[name] for name in wanted} == wanted
    # At another pace the same data teach something else.
    assert trained(data, tmp_path / "other", *given[:4])["model_sha256"] != found["model_sha256"]


def test_a_window_on_data_without_times_is_the_persons_mistake(
    presplit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "fusion", "--dataset", str(presplit), "--out", str(tmp_path / "out")]
    assert run([*given, "--window-s", "60"]) == 1
    told = capsys.readouterr().err
    assert "times of events, which the data set lacks" in told
    assert "Traceback" not in told


def test_models_are_compared_with_the_settings_that_are_given(tmp_path: Path) -> None:
    data, file = write_dataset(tmp_path / "tiny"), tmp_path / "found.json"
    names = ("popularity", "fusion-gated", "user-sequence")
    given = ["evaluate", "offline", "--dataset", str(data), "--models", ",".join(names), "--seeds", "1"]
    given += ["--no-masks", "--cold-items", "0", "--json", str(file), "--protocol", "leave-one-out"]
    assert (
        run([*given, "--epochs", "2", "--modality-dropout", "0", "--window-s", "86400", "--device", "auto"])
        == 0
    )
    models = json.loads(file.read_text())["models"]
    common = {"epochs": 2, "modality_dropout": 0.0, "device": "auto"}
    assert models["fusion-gated"]["settings"] == {"method": "gated", **common, "window_s": 86_400.0}
    assert models["user-sequence"]["settings"] == common
    assert models["popularity"]["settings"] == {}


def test_features_that_came_with_a_data_set_do_not_serve(presplit: Path, tmp_path: Path) -> None:
    from models.errors import ManifestError

    out = tmp_path / "bundle"
    trained(presplit, out)
    settings = Settings(fusion=FusionSettings(bundle=out))
    with pytest.raises(ManifestError, match="Train it anew"):
        fusion_in_use(settings, encoder_registry(settings))


def test_a_folder_without_data_is_the_persons_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "fusion", "--dataset", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_dimension_that_heads_cannot_share_is_refused(tmp_path: Path) -> None:
    given = ["train", "fusion", "--dataset", str(tmp_path), "--out", str(tmp_path / "out")]
    assert run([*given, "--method", "attention", "--dimension", "18"]) == 2
