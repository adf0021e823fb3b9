"""`freshet evaluate offline` as a person meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.datasets import InteractionData
from models.evaluation.offline_measures import OfflineMeasures, item_groups
from tests.unit.evaluation.tiny_dataset import write_dataset
from tests.unit.offline.worlds import write_presplit
from workers.cli.running import run
from workers.console.reports import Reports

METRICS = ("recall", "precision", "hr", "ndcg", "mrr", "map", "coverage", "diversity", "novelty", "arp")
METRICS += ("popularity_lift", "calibration")
QUICK = ("--models", "popularity,content-knn-image,ease,bpr-mf", "--seeds", "2")


@pytest.fixture
def folder(tastes: InteractionData, tmp_path: Path) -> Path:
    return write_presplit(tmp_path / "tastes", tastes)


def evaluate(folder: Path, *arguments: str) -> int:
    return run(["evaluate", "offline", "--dataset", str(folder), *arguments])


def report_of(folder: Path, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    assert evaluate(folder, "--json", str(tmp_path / "out" / "report.json"), *arguments) == 0
    found: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    return found


def test_the_report_has_every_metric_of_each_model_and_the_name_that_validation_chose(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(folder, tmp_path, *QUICK)
    assert list(report["models"]) == ["popularity", "content-knn-image", "ease", "bpr-mf"]
    for one in report["models"].values():
        for metric in METRICS:
            assert isinstance(one[f"{metric}@10"], float), metric
            assert isinstance(one[f"{metric}@20"], float), metric
        assert 0 <= one["auc"] <= 1
        assert set(one["intervals"]) == {
            *(f"{metric}@{k}" for metric in METRICS if metric != "coverage" for k in (10, 20)),
            "auc",
        }
        for metric, interval in one["intervals"].items():
            assert interval["mean"] == pytest.approx(one[metric], abs=1e-9), metric
            assert interval["low"] - 1e-9 <= interval["mean"] <= interval["high"] + 1e-9, metric
    best = max(report["models"], key=lambda name: report["models"][name]["validation"]["recall@20"])
    assert report["chosen"] == best
    assert report["models"]["bpr-mf"]["seeds"] == [0, 1]
    assert report["models"]["ease"]["seeds"] == [0]
    assert (report["protocol"], report["people"], report["items"]) == ("official", 60, 30)
    assert report["interactions"] == {"train": 240, "validation": 60, "test": 60}
    assert report["modalities"] == {"image": 30, "audio": 30}
    assert report["calibrated_by"] == "popularity"
    assert set(report["models"]["content-knn-image"]["masks"]) == {"image", "random-half"}
    assert report["cold_items"]["items"] == 3
    shown = capsys.readouterr()
    assert "regularisation 5" in shown.out
    assert f"{best} ←" in shown.out
    assert "chosen by recall@20 of validation" in shown.err


def test_the_same_command_gives_the_same_figures(folder: Path, tmp_path: Path) -> None:
    first, second = (report_of(folder, tmp_path, *QUICK) for _ in range(2))
    for report in (first, second):
        for one in report["models"].values():
            del one["fit_processor_s"]
    assert first == second


def test_options_leave_things_out(folder: Path, tmp_path: Path) -> None:
    report = report_of(
        folder,
        tmp_path,
        "--models",
        "content-knn-image",
        "--cold-items",
        "0",
        "--no-masks",
        "--modalities",
        "image",
    )
    assert report["cold_items"] is None
    assert not {"masks", "cold_items"} & report["models"]["content-knn-image"].keys()
    assert report["modalities"] == {"image": 30}
    report = report_of(folder, tmp_path, "--models", "content-knn-all", "--mask", "audio")
    assert set(report["models"]["content-knn-all"]["masks"]) == {"audio"}


def test_settings_are_chosen_by_the_metric_that_is_named(folder: Path, tmp_path: Path) -> None:
    report = report_of(folder, tmp_path, "--models", "ease,popularity", "--choose-by", "ndcg@20")
    ease = report["models"]["ease"]
    assert max(tried["ndcg@20"] for tried in ease["validation"]["grid"]) == ease["validation"]["ndcg@20"]
    assert report["chosen_by"] == "ndcg@20 of validation"


@pytest.mark.parametrize("protocol", ["time", "leave-one-out"])
def test_a_log_with_media_is_encoded_and_split(tmp_path: Path, protocol: str) -> None:
    folder = write_dataset(tmp_path / "tiny")
    report = report_of(
        folder,
        tmp_path,
        "--protocol",
        protocol,
        "--models",
        "popularity,content-knn-text",
        "--classes",
        "taste",
    )
    assert report["modalities"] == {"text": 12, "image": 6}
    assert (report["calibrated_by"], report["dataset"]) == ("classes", "tiny")
    # 24 events, of which every fifth is a skip.
    assert sum(report["interactions"].values()) <= 20
    assert report["people"] == 6


def test_too_few_items_to_hold_any_out_is_told_with_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_dataset(tmp_path / "tiny")
    report = report_of(folder, tmp_path, "--protocol", "leave-one-out", "--models", "popularity")
    assert report["cold_items"] is None
    assert "too few items to hold 10% of" in report["left_out"]["new items"]
    assert "too few items" in capsys.readouterr().err


def test_a_page_with_plots_is_written(folder: Path, tmp_path: Path) -> None:
    assert evaluate(folder, *QUICK, "--report", str(tmp_path / "page")) == 0
    page = (tmp_path / "page" / "report.md").read_text()
    for name in ("recall.png", "ndcg.png", "people.png", "items.png", "modalities.png"):
        assert (tmp_path / "page" / name).read_bytes().startswith(b"\x89PNG")
        assert f"![{name}]({name})" in page
    assert "| content-knn-image | random-half |" in page


def test_json_on_standard_output_is_all_that_is_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folder, "--models", "popularity", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["chosen"] == "popularity"
    assert "Accuracy on the test" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--models", "nearest"), 1, "there are popularity, item-knn, content-knn-image"),
        (("--protocol", "time"), 1, "has no times: use the protocol official or leave-one-out"),
        (("--models", "popularity", "--mask", "text"), 1, "there is no modality text to take away"),
        (("--modalities", "smell"), 2, "write a list of text, image, audio, video"),
        (("--models", ","), 2, "write names"),
        (("--models", "ease", "--epochs", "3"), 2, "No chosen model takes --epochs"),
        (("--models", "user-sequence", "--window-s", "60"), 2, "No chosen model takes --window-s"),
    ],
)
def test_what_was_asked_wrongly_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert evaluate(folder, *arguments) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_settings_that_no_chosen_model_has_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    assert evaluate(tmp_path / "nowhere", "--models", "ease", "--epochs", "3") == 2


def test_a_bad_folder_is_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(tmp_path / "nowhere") == 1
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert evaluate(tmp_path / "empty") == 1
    assert "interactions.npz" in capsys.readouterr().err
    (folder / "interactions.npz").write_bytes(b"not an archive")
    assert evaluate(folder) == 1
    err = capsys.readouterr().err
    assert f"{folder / 'interactions.npz'} cannot be read" in err
    assert "Traceback" not in err


def test_a_log_without_anything_positive_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "tiny", events=[])
    assert evaluate(folder) == 1
    assert "no event of positive weight" in capsys.readouterr().err


def test_without_scipy_the_extra_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert evaluate(folder, "--models", "popularity") == 2
    assert "freshet[offline]" in capsys.readouterr().err


def test_the_head_is_the_fewest_items_with_a_third_of_interactions() -> None:
    assert item_groups(np.array([10, 0, 3, 3, 3, 1, 1, 9])).tolist() == [3, 0, 2, 1, 1, 1, 1, 2]


def test_classes_of_items_are_shared_out_for_calibration(tastes: InteractionData) -> None:
    from models.evaluation.full_ranking import rank_all
    from models.evaluation.splits import split

    parts = split(tastes, "official")
    by_taste = np.eye(3, dtype=np.bool_)[np.arange(tastes.items) % 3]
    measures = OfflineMeasures(parts.train, tastes.features, ("a", "b", "c"), by_taste, (5,))
    own = (np.arange(tastes.users)[:, None] % 3 == np.arange(tastes.items) % 3).astype(np.float32)
    of_taste = measures.measure(rank_all(lambda users: own[users], parts.test, parts.seen_at_test, depth=5))
    of_none = measures.measure(rank_all(lambda users: -own[users], parts.test, parts.seen_at_test, depth=5))
    assert of_taste.values()["calibration@5"] == pytest.approx(0.0, abs=1e-12)
    # All of p is where q has nothing: log(1 / α).
    assert of_none.values()["calibration@5"] == pytest.approx(np.log(100))


def test_the_console_shows_the_report(folder: Path, tmp_path: Path) -> None:
    report = report_of(folder, tmp_path, "--models", "popularity,ease")
    (shown,) = Reports(tmp_path / "out").newest()["reports"]
    assert (shown["kind"], shown["problem"]) == ("offline", None)
    accuracy = next(one for one in shown["tables"] if one["title"] == "Accuracy on the test")
    assert [line[1] for line in accuracy["rows"]] == [
        report["models"][name]["recall@20"] for name in ("popularity", "ease")
    ]
