"""`freshet evaluate prequential` as a person meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.evaluation.tiny_dataset import tiny_events
from workers.cli.running import run
from workers.evaluation.report import markdown


def evaluate(folder: Path, *arguments: str) -> int:
    return run(["evaluate", "prequential", "--dataset", str(folder), "--warm-up", "6", *arguments])


def report_of(folder: Path, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    assert evaluate(folder, "--json", str(tmp_path / "out" / "report.json"), *arguments) == 0
    found: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    return found


def test_the_report_has_what_is_asked_for(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(tiny_folder, tmp_path, "--ranker", "base", "--slots", "3")
    for of in (report, report["with_slots"], report["with_diversity"]):
        for keys in (of, of["cold_users"], of["cold_items"], of["distinct_seconds"]):
            assert {"n", "hr@10", "hr@20", "ndcg@10", "ndcg@20", "mrr@10", "mrr@20"} <= keys.keys()
        assert {"coverage@20", "diversity@20", "attribute_diversity@20", "novelty@20"} <= of.keys()
    clicks = [event for event in tiny_events()[6:] if event["action"] == "click"]
    assert (report["n"], report["events"], report["warm_up"]) == (len(clicks), 18, 6)
    assert report["with_slots"]["settings"] == {"new_item_slots": 3, "new_item_margin": 1.6}
    assert report["refresh_s"] == 0
    assert report["events_per_s"] > 0
    assert (report["items"], report["modalities"]) == (12, {"text": 12, "image": 6})
    assert set(report["ablation"]["parts"]) == {"content", "popularity", "freshness", "bias"}
    shown = capsys.readouterr().out
    assert f"base on tiny, {len(clicks)} events ranked" in shown
    assert "taken away at serving" in shown


def test_workers_that_start_anew_in_the_middle_go_on_from_what_kafka_holds(
    tiny_folder: Path, tmp_path: Path
) -> None:
    options = (
        "--ranker",
        "cascade",
        "-o",
        "learn.publish_events=1",
        "-o",
        "learn.batch_events=1",
        "-o",
        "learn.warm_up_events=0",
    )
    steady = report_of(tiny_folder, tmp_path, *options)
    restarted = report_of(tiny_folder, tmp_path, *options, "--restart-at", "9")
    assert restarted["restart_at"] == 9
    for key in ("n", "hr@10", "hr@20", "ndcg@20"):
        assert restarted[key] == pytest.approx(steady[key], abs=0.05), key


def test_json_on_standard_output_is_all_that_is_there(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tiny_folder, "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ranker"] == "cascade"
    assert "events ranked" in err


def test_options_change_what_is_evaluated(tiny_folder: Path, tmp_path: Path) -> None:
    report = report_of(
        tiny_folder, tmp_path, "--modalities", "image", "--limit", "4", "-o", "profile.actions.skip.weight=1"
    )
    assert report["modalities"] == {"image": 6}
    # Skips count as positive now.
    assert (report["events"], report["n"]) == (4, 4)


def test_each_objective_is_measured_apart(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    positive = ("-o", "profile.actions.skip.weight=1")
    named = ("-o", 'learn.objectives={"click": ["click"], "avoid": ["skip"], "buy": ["purchase"]}')
    assert report_of(tiny_folder, tmp_path, *positive)["objectives"] == {}
    report = report_of(tiny_folder, tmp_path, *positive, *named, "-o", "recommend.objective_weights.avoid=0")
    clicks = sum(event["action"] == "click" for event in tiny_events()[6:])
    counts = {name: one["n"] for name, one in report["objectives"].items()}
    assert counts == {"click": clicks, "avoid": report["n"] - clicks, "buy": 0}
    hits = [one["n"] * (one["hr@20"] or 0.0) for one in report["objectives"].values()]
    assert sum(hits) == pytest.approx(report["n"] * report["hr@20"])
    assert "objective click" in capsys.readouterr().out
    assert evaluate(tiny_folder, "-o", "recommend.objective_weights.like=1") != 0
    assert "there is no objective `like`" in capsys.readouterr().err


def test_the_cascade_is_evaluated_and_does_without_what_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    whole = report_of(tiny_folder, tmp_path, "--ranker", "cascade")
    assert whole["n"] == sum(event["action"] == "click" for event in tiny_events()[6:])
    assert {"covisitation", "popularity", "content.text"} <= whole["ablation"]["parts"].keys()
    assert {"covisitation", "interests"} <= whole["ablation"]["sources"].keys()
    assert whole["without"] == []
    parts = ("popularity", "trend", "freshness", "history")
    named = [argument for part in parts for argument in ("--without", part)]
    less = report_of(tiny_folder, tmp_path, "--ranker", "cascade", *named)
    assert less["without"] == list(parts)
    for part in parts:
        # There is nothing left of it to take away.
        assert less["ablation"]["parts"][part]["ndcg@20"] == less["ndcg@20"]
    assert less["ndcg@20"] != whole["ndcg@20"]


def test_half_of_a_log_warms_up_unless_it_is_said(tiny_folder: Path, tmp_path: Path) -> None:
    assert run(["evaluate", "prequential", "--dataset", str(tiny_folder), "--json", str(tmp_path / "r")]) == 0
    assert json.loads((tmp_path / "r").read_text())["warm_up"] == 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dataset", "no/such/folder"], 1, "there is no folder no/such/folder"),
        (["--dataset", "."], 1, "holds no data set"),
        ([], 2, "Name a --dataset, or give --from-topics."),
        (["--dataset", ".", "--from-topics"], 2, "Name a --dataset"),
        (["--from-topics", "--through-kafka"], 2, "--through-kafka goes with --dataset"),
        (["--dataset", "{tiny}", "--modalities", "smell"], 2, "text, image, audio, video"),
        (
            ["--dataset", "{tiny}", "--ranker", "base", "--without", "content"],
            2,
            "--without goes with the cascade",
        ),
        (
            ["--dataset", "{tiny}", "--ranker", "cascade", "--without", "luck"],
            2,
            "--without luck: the cascade has no such part; it has interests, covisitation,",
        ),
        (["--dataset", "{tiny}", "--ranker", "best"], 2, "'best' is not one of"),
    ],
)
def test_mistakes_are_told(
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    given = [one.replace("{tiny}", str(tiny_folder)) for one in arguments]
    assert run(["evaluate", "prequential", *given]) == code
    assert message in capsys.readouterr().err


def test_a_bad_line_ends_it_and_is_named(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny_folder / "events.jsonl").write_text('{"event_id": 1}\n')
    assert evaluate(tiny_folder) == 1
    assert "events.jsonl, line 1" in capsys.readouterr().err


def test_a_report_is_a_page_with_plots(tiny_folder: Path, tmp_path: Path) -> None:
    assert evaluate(tiny_folder, "--report", str(tmp_path / "page")) == 0
    page = (tmp_path / "page" / "report.md").read_text()
    for name in ("over-time.png", "ranks.png", "ablation.png"):
        assert f"({name})" in page
        assert (tmp_path / "page" / name).read_bytes().startswith(b"\x89PNG")
    assert "people with < 5 positives" in page


def test_without_matplotlib_it_is_said_before_anything_is_replayed(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert evaluate(tiny_folder, "--report", str(tmp_path / "page")) == 2
    assert "pip install 'freshet[report]'" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_tables_of_a_page_are_whole(tiny_folder: Path, tmp_path: Path) -> None:
    report = report_of(tiny_folder, tmp_path)
    tables = [block for block in markdown(report, []).split("\n\n") if block.startswith("| ")]
    assert len(tables) == 6
    for block in tables:
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1


def test_help_of_the_group_names_each_evaluation_without_importing_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("prequential", "outcomes", "off-policy"):
        assert f"\n  {name} " in shown
    assert run(["evaluate", "prequental"]) == 2
    assert "Did you mean `prequential`?" in capsys.readouterr().err
