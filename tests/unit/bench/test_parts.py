"""Rows of parts: what is promised is there, beside their baselines, in the format that is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.settings import Settings
from workers.bench import encode, memory, retrieval, scaling, throughput
from workers.bench.backlogs import Named
from workers.bench.clock import Taken
from workers.bench.rows import Row, write_rows
from workers.bench.run import Bench
from workers.roles import ROLES

BENCH = Bench(size="tiny", flags={})


def written(rows: Sequence[Row], folder: Path) -> list[dict[str, Any]]:
    """Rows as they are read from the file; each has the promised fields, and the ratio to its baseline."""
    write_rows(rows, folder / "rows.json")
    read: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())
    assert read
    for one in read:
        assert set(one) == {"name", "value", "unit", "baseline", "ratio", "setting"}
        assert isinstance(one["value"], float)
        assert one["value"] >= 0
        assert one["unit"]
        if one["baseline"]:
            assert one["ratio"] == pytest.approx(one["value"] / one["baseline"])
        else:
            assert one["ratio"] is None
    each = {(one["name"], json.dumps(one["setting"], sort_keys=True)) for one in read}
    assert len(each) == len(read), "rows of one name differ in their setting"
    return read


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Kafka, no Redis, no worker."""

    @contextmanager
    def deployment(
        self: Bench, workers: object, flags: object = None, folder: object = None
    ) -> Iterator[Any]:
        yield SimpleNamespace(data_folder=tmp_path, poll=lambda: None, settings=Settings(), flags={})

    monkeypatch.setattr(Bench, "deployment", deployment)


@pytest.mark.usefixtures("nothing_starts")
def test_throughput_has_each_role_beside_the_plain_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def taken(bench: Bench, deployment: Any, work: str, through: str, records: int, log: Path) -> Taken:
        asked.append((work, through))
        return Taken(records, 2.0 if through == "freshet" else 1.0, 3.0 if through == "freshet" else 2.0)

    monkeypatch.setattr(throughput, "_run", taken)
    by_name = {one["name"]: one for one in written(throughput.measure(BENCH), tmp_path)}
    for work in ("in", "one_in_one_out", *ROLES):
        assert asked.count((work, "freshet")) == asked.count((work, "plain")) == 1
        rate, spent = by_name[work], by_name[f"{work}_processor_time"]
        assert rate["ratio"] == pytest.approx(0.5)
        assert rate["value"] == pytest.approx(rate["setting"]["records"] / 2.0)
        assert rate["unit"].endswith("/s")
        assert spent["ratio"] == pytest.approx(1.5)
        assert spent["value"] == pytest.approx(3e6 / spent["setting"]["records"])


@pytest.mark.usefixtures("nothing_starts")
def test_scaling_is_beside_one_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = iter([(1_000.0, 50.0), (1_600.0, 55.0), (1_700.0, 60.0)])
    monkeypatch.setattr(scaling, "_events_per_s", lambda deployment, count: next(found))
    rows = [
        one for one in written(scaling.measure(BENCH), tmp_path) if not one["name"].endswith("processor_time")
    ]
    assert [one["setting"]["workers"] for one in rows] == [1, 2, 3]
    assert [one["ratio"] for one in rows] == pytest.approx([1.0, 1.6, 1.7])


@pytest.mark.usefixtures("nothing_starts")
def test_people_in_redis_with_ids_of_both_lengths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    used = 0

    async def put(settings: Settings, people: int, history: int, *, named: Named) -> None:
        nonlocal used
        used += people * history * len(named("item", 1_234))

    monkeypatch.setattr(memory, "put_profiles", put)
    monkeypatch.setattr(memory, "_used", lambda deployment: used)
    rows = written(memory._people_in_redis(BENCH), tmp_path)
    found = {(one["setting"]["events_a_person"], one["setting"]["ids"]): one for one in rows}
    assert found.keys() == {(history, ids) for history in memory.HISTORIES for ids in ("short", "UUID")}
    for (history, ids), one in found.items():
        assert one["value"] == history * (9 if ids == "short" else 36)
    # The baseline is of events with the same ids.
    assert found[20, "UUID"]["baseline"] > found[20, "short"]["baseline"] + 20 * 60


def test_retrieval_as_it_is_measured(tmp_path: Path) -> None:
    rows = written(retrieval.measure(BENCH), tmp_path)
    for kind, dimension in retrieval.CASES:
        mine = {
            one["name"]: one
            for one in rows
            if one["setting"]["vectors"] == kind and one["setting"]["dimension"] == dimension
        }
        assert {"retrieval_p50", "retrieval_p99", "put", "retrieval_under_changes_p50"} <= mine.keys()
        assert all(mine[name]["ratio"] > 0 for name in ("retrieval_p50", "retrieval_p99", "put"))
        # A thousand are compared one and all.
        assert mine["recall"]["value"] == mine["recall_under_changes"]["value"] == 1.0


def test_encode_as_it_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encode, "_ITEMS", 4)
    rows = written(encode.measure(BENCH), tmp_path)
    assert {one["setting"]["modality"] for one in rows} == {"text", "image", "audio", "video"}
    assert all(one["ratio"] > 0 for one in rows)
