"""`freshet demo` as a person runs it: once to its end, once interrupted."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.roles import ROLES

MARK = "FRESHET_TEST_MARK"


def _processes_with(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        except OSError:
            continue
    return found


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """An environment and a folder for temporary files; afterwards neither files nor processes may be left."""
    mark, temporary = secrets.token_hex(8), tmp_path / "tmp"
    temporary.mkdir()
    yield dict(os.environ) | {MARK: mark, "TMPDIR": str(temporary)}, tmp_path
    # The kernel ends a process some moments after its parent.
    deadline = time.monotonic() + 60
    while _processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_with(mark) == []
    assert list(temporary.glob("freshet-demo-*")) == []


def _start(arguments: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=folder,
    )


@pytest.mark.timeout(900)
def test_every_check_of_the_demo_holds(surroundings: tuple[dict[str, str], Path]) -> None:
    # Longer than by default, so that a slow machine too comes to what is asserted: it is the same work.
    process = _start(["--json", "--seconds", "48"], *surroundings)
    out, err = process.communicate()
    assert out, err
    summary = json.loads(out)
    report = summary["report"]
    # How long an item takes to its first list is the machine's affair; that it comes to one is not.
    assert [one for one in report["arrivals"] if one["after_s"] is None] == [], err
    failed = [check for check in summary["checks"] if not check["passed"]]
    assert [check for check in failed if not check["name"].startswith("new item ")] == [], err
    assert process.returncode == (1 if failed else 0)
    assert len(report["precision"]) == 8
    assert {one["modality"] for one in report["arrivals"]} == {"text", "image", "audio", "video", "mixed"}
    assert report["account"]["applied"] == report["account"]["published"] > 500
    assert report["outage"]["silence_s"] > 0
    assert sum(report["memory_bytes"].values()) < 2 << 30
    assert "killed the profile worker" in err


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(
    surroundings: tuple[dict[str, str], Path], number: signal.Signals
) -> None:
    process = _start([], *surroundings)
    assert process.stdout is not None
    for line in process.stdout:
        if f"starting {len(ROLES)} workers" in line:
            break
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "stopped" in err


@pytest.mark.timeout(900)
def test_the_page_stays_after_the_summary_until_it_is_ended(
    surroundings: tuple[dict[str, str], Path],
) -> None:
    process = _start(["--console", "--seconds", "30", "-o", "console.port=0"], *surroundings)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("The page is yours: "):
            break
    else:
        pytest.fail("".join(said))
    address = line.split()[4]
    with urllib.request.urlopen(f"{address}api/items", timeout=30) as answer:
        assert json.load(answer)["total"] == 240
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert "precision" in out.lower()
    assert process.returncode in (0, 1)
    assert "stopped" in err
