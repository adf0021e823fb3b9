"""Reports of evaluations as tables: those of one folder, bounded, and nothing in a file is trusted."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from streams.settings import load_settings
from tests.unit.console.parts import OfflineConsole
from workers.bench.rows import row, write_rows
from workers.console.app import console_app
from workers.console.guard import Access
from workers.console.reports import MAX_REPORT_BYTES, MAX_REPORTS, MAX_ROWS, Reports
from workers.evaluation.offline_report import ACCURACY_COLUMNS, LIST_COLUMNS
from workers.evaluation.report import METRICS

HOST = "127.0.0.1:8787"
METRICS_OF_ALL = dict.fromkeys(METRICS, 0.25) | {"n": 1_234}
PREQUENTIAL = {
    "ranker": "cascade",
    "source": "a-log",
    **METRICS_OF_ALL,
    **dict.fromkeys(("cold_users", "cold_items", "distinct_seconds", "new_items"), METRICS_OF_ALL),
    "diversity@20": 0.625,
    "ablation": {"parts": {"trend": METRICS_OF_ALL}, "sources": {}},
    **dict.fromkeys(("events_per_s", "events_per_processor_s", "held_out_per_s"), 150.5),
    **dict.fromkeys(("rank_ms", "learn_ms", "observe_ms", "refresh_s", "refresh_processor_s"), 2.5),
    "refreshes": 3,
}
MODEL = {
    **dict.fromkeys((*ACCURACY_COLUMNS, *LIST_COLUMNS), 0.1),
    "validation": {"recall@20": 0.2, "ndcg@20": 0.2, "grid": []},
    "intervals": {metric: {"low": 0.0, "high": 0.3} for metric in ("recall@20", "ndcg@20")},
    "standard_deviation": {"recall@20": 0.0},
    "seeds": [0],
    "settings": {},
    "segments": {"users": {}, "items": {}},
}
OFFLINE: dict[str, Any] = {
    "dataset": "clips",
    "protocol": "leave-one-out",
    "chosen": "fused",
    "models": {"popularity": MODEL, "fused": {**MODEL, "recall@20": 0.2}},
}


def write(folder: Path, name: str, report: Any, modified_s: int = 0) -> None:
    (folder / name).write_text(report if isinstance(report, str) else json.dumps(report))
    os.utime(folder / name, (modified_s, modified_s))


def test_each_kind_of_report_is_shown_newest_first(tmp_path: Path) -> None:
    write(tmp_path, "log.json", PREQUENTIAL, 30)
    write(tmp_path, "models.json", OFFLINE, 20)
    write_rows([row("lists", 4_000.0, "1/s", 2_000.0, {"items": 10_000})], tmp_path / "speed.json")
    os.utime(tmp_path / "speed.json", (10, 10))
    found = Reports(tmp_path).newest()
    log, models, speed = found["reports"]
    assert [one["kind"] for one in (log, models, speed)] == ["prequential", "offline", "bench"]
    assert (log["file"], log["title"]) == ("log.json", "cascade on a-log, 1,234 events ranked")
    tables = {one["title"]: one for one in log["tables"]}
    assert tables["Events ranked before they were learned"]["rows"][0] == ["all", 1_234, *[0.25] * 6]
    assert 0.625 in tables["Lists"]["rows"][0]
    assert tables["Taken away at serving"]["rows"] == [["signal", "trend", 0.25, 0.25]]
    accuracy = next(one for one in models["tables"] if one["title"] == "Accuracy on the test")
    assert accuracy["columns"] == ["model", *ACCURACY_COLUMNS]
    assert [line[:2] for line in accuracy["rows"]] == [["popularity", 0.1], ["fused ←", 0.2]]
    assert speed["tables"][0]["rows"] == [["lists", 4_000.0, 2_000.0, "1/s", 2.0, "items 10,000"]]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "no JSON"),
        ("7", "no report"),
        ('"models n ranker"', "no report"),
        ("[{}]", "no report"),
        ('{"ranker": "a", "n": 1}', "no report"),
        (json.dumps({**PREQUENTIAL, "n": "many"}), "no report"),
        (json.dumps({**PREQUENTIAL, "ablation": [1]}), "no report"),
        ('{"models": {"a": 3}, "dataset": "d", "protocol": "p"}', "no report"),
        ('{"models": {}, "dataset": "d", "protocol": "p"}', "no report"),
        (" " * (MAX_REPORT_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_report_says_so_and_costs_no_other(tmp_path: Path, content: str, problem: str) -> None:
    write(tmp_path, "good.json", OFFLINE, 1)
    write(tmp_path, "bad.json", content, 2)
    bad, good = Reports(tmp_path).newest()["reports"]
    assert problem in bad["problem"]
    assert bad["tables"] == []
    assert good["kind"] == "offline"


def test_reports_rows_and_cells_are_bounded(tmp_path: Path) -> None:
    for number in range(MAX_REPORTS + 3):
        write(tmp_path, f"{number}.json", OFFLINE, number)
    long = {**OFFLINE, "models": {f"{n}{'m' * 500}": MODEL for n in range(MAX_ROWS + 7)}}
    write(tmp_path, "long.json", long, 1_000)
    found = Reports(tmp_path).newest()
    assert (len(found["reports"]), found["left_out"]) == (MAX_REPORTS, 4)
    table = found["reports"][0]["tables"][0]
    assert (len(table["rows"]), table["left_out"], len(table["rows"][0][0])) == (MAX_ROWS, 7, 200)


def test_only_plain_files_of_the_folder_itself_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    (folder / "inner.json").mkdir(parents=True)
    write(tmp_path, "secret.json", OFFLINE)
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    os.mkfifo(folder / "pipe.json")
    write(folder, "other.txt", OFFLINE)
    assert Reports(folder).newest()["reports"] == []


def test_a_report_that_changed_is_read_again(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    write(tmp_path, "one.json", OFFLINE, 1)
    first = reports.newest()["reports"][0]
    assert reports.newest()["reports"][0] is first
    write(tmp_path, "one.json", PREQUENTIAL, 2)
    assert reports.newest()["reports"][0]["kind"] == "prequential"


def asked_of(reports: Path | None) -> tuple[TestClient, OfflineConsole]:
    console = OfflineConsole(load_settings(console={} if reports is None else {"reports": str(reports)}))
    return TestClient(console_app(console, Access("127.0.0.1", (), None)), base_url=f"http://{HOST}"), console


def test_the_page_gets_them_off_the_event_loop_and_names_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    write(folder, "one.json", OFFLINE)
    write(tmp_path, "secret.json", PREQUENTIAL)
    asked, console = asked_of(folder)
    threads: list[str] = []
    newest = console.reports.newest

    def noted() -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return newest()

    monkeypatch.setattr(console.reports, "newest", noted)
    for path in ("/api/reports", f"/api/reports?folder={tmp_path}", "/api/reports?file=../secret.json"):
        assert [one["file"] for one in asked.get(path).json()["reports"]] == ["one.json"]
    assert asked.get("/api/reports/secret.json").status_code == 404
    assert all(name.startswith("asyncio_") for name in threads)


def test_without_a_folder_or_with_a_lost_one_the_page_is_told(tmp_path: Path) -> None:
    assert asked_of(None)[0].get("/api/reports").json()["is_set"] is False
    lost = asked_of(tmp_path / "gone")[0].get("/api/reports").json()
    assert "console.reports" in lost["problem"]
    assert str(tmp_path) not in lost["problem"]
