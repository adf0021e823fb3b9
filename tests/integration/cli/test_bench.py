"""`freshet bench` as a person runs it, as small as can be: a Kafka, a Redis and workers of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


def _bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", "bench", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)},
        cwd=folder,
        check=False,
    )


@pytest.mark.timeout(900)
def test_latency_beside_a_plain_echo(tmp_path: Path) -> None:
    done = _bench("latency", "--tiny", "--json", "rows.json", "--report", "report", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert all(set(one) == {"name", "value", "unit", "baseline", "ratio", "setting"} for one in rows)
    by_name = {one["name"]: one for one in rows}
    waits = [by_name[f"event_to_list_{label}"] for label in ("p50", "p95", "p99", "p99.9")]
    assert [one["value"] for one in waits] == sorted(one["value"] for one in waits)
    for one in waits:
        assert one["value"] > 0
        assert one["ratio"] == pytest.approx(one["value"] / one["baseline"])
        assert one["setting"] == {"items": 200, "events_per_s": 20, "ranker": "base"}
    assert 0 < by_name["lists_per_event"]["value"] <= 1
    assert json.loads((tmp_path / "report" / "rows.json").read_text()) == rows
    assert "event_to_list_p99" in done.stdout
    assert list(tmp_path.glob("freshet-bench-*")) == []


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    done = _bench("speed", folder=tmp_path)
    assert done.returncode == 2
    assert "throughput" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_sizes_exclude_each_other(tmp_path: Path) -> None:
    done = _bench("encode", "--tiny", "--long", folder=tmp_path)
    assert done.returncode == 2
    assert "exclude each other" in done.stderr
