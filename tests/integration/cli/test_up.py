"""`freshet up` as a person meets it: a command, its output, its signals, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workers.process_memory import descendants
from workers.roles import ROLES

READY_TIMEOUT_S = 150
END_TIMEOUT_S = 60

ITEMS = (
    {"item_id": "shoe-1", "title": "Trail running shoe", "attributes": {"category": "shoes"}},
    {"item_id": "shoe-2", "title": "Road running shoe", "attributes": {"category": "shoes"}},
    {"item_id": "pan-1", "title": "Cast iron frying pan", "attributes": {"category": "kitchen"}},
)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], bool], timeout_s: float = END_TIMEOUT_S) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return condition()


class Up:
    """A `freshet up` that runs."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "workers.cli", "up", "--data-dir", str(folder), *flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=lambda s=stream, into=lines: into.extend(s), daemon=True).start()
        try:
            assert eventually(
                lambda: "ready\n" in self.out or self.process.poll() is not None, READY_TIMEOUT_S
            )
            assert "ready\n" in self.out, "".join(self.err)
        except BaseException:
            self.process.kill()
            raise
        self.pids = descendants(self.process.pid)

    def address(self, what: str) -> str:
        (line,) = (line for line in self.out if line.startswith(what))
        return line.removeprefix(what).split()[0]

    def worker_pid(self, role: str) -> int:
        (line,) = (line for line in self.out if line.startswith(f"worker {role} "))
        return int(line.split()[-1])

    def freshet(self, *arguments: str, input_text: str | None = None) -> subprocess.CompletedProcess[str]:
        flags = ["--bootstrap-servers", self.address("Kafka"), "--redis-url", self.address("Redis")]
        command = [sys.executable, "-m", "workers.cli", *arguments, *flags]
        return subprocess.run(command, input=input_text, capture_output=True, text=True, timeout=60)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_TIMEOUT_S)

    def nothing_left(self) -> bool:
        return eventually(lambda: not any(map(is_running, self.pids)), 10)


def recommended(up: Up, *flags: str) -> list[str]:
    done = up.freshet("recommend", "anna", "--json", *flags)
    assert done.returncode == 0, done.stderr
    return [item["item_id"] for item in json.loads(done.stdout)["items"]]


def explained(up: Up) -> bool:
    """Ask for words, as JSON and for a person; whether both say the same, as once nothing new comes."""
    done = up.freshet("recommend", "anna", "--json", "--explain")
    assert done.returncode == 0, done.stderr
    answer, words = map(json.loads, done.stdout.splitlines())
    assert words["recommendation_id"] == answer["recommendation_id"]
    assert [one["item_id"] for one in words["items"]] == [one["item_id"] for one in answer["items"]]
    shown = up.freshet("recommend", "anna", "--explain")
    assert "words by template@1" in shown.stderr
    return all(one["text"] in shown.stdout for one in words["items"])


def publish_items(up: Up, *flags: str) -> None:
    lines = "".join(json.dumps(item) + "\n" for item in ITEMS)
    done = up.freshet("publish", "items", "-", *flags, input_text=lines)
    assert done.returncode == 0, done.stderr


def all_at_rest(up: Up, found: list[str]) -> bool:
    """Whether the doctor finds nothing wrong, and each role with one worker and nothing left to read."""
    done = up.freshet("doctor", "--json")
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    found[:] = [f"{check['area']}: {check['found']}" for check in checks]
    roles = [line for line in found if line.startswith("roles: ")]
    return (
        done.returncode == 0
        and len(roles) == len(ROLES)
        and all(": 1 workers, 0 records wait" in line for line in roles)
    )


@pytest.mark.timeout(600)
def test_up_serves_survives_a_killed_worker_and_leaves_nothing(tmp_path: Path) -> None:
    up = Up(tmp_path / "data")
    try:
        assert {role for role in ROLES if up.worker_pid(role) in up.pids} == set(ROLES)
        publish_items(up)
        assert eventually(lambda: len(recommended(up)) == 3)
        assert eventually(lambda: explained(up))

        killed = up.worker_pid("profile")
        os.kill(killed, signal.SIGKILL)
        event = {"event_id": "1", "user_id": "anna", "item_id": "shoe-1", "action": "click"}
        event["occurred_at"] = datetime.now(UTC).isoformat()
        assert up.freshet("publish", "events", "-", input_text=json.dumps(event)).returncode == 0
        assert eventually(lambda: recommended(up) == ["shoe-2", "pan-1"])
        assert any(line.startswith("profile was killed by SIGKILL; started again") for line in up.err)

        found: list[str] = []
        assert eventually(lambda: all_at_rest(up, found)), "\n".join(found)

        up.pids = descendants(up.process.pid)
        assert up.end(signal.SIGTERM) == 0, "".join(up.err)
        assert up.nothing_left()
        assert not any("did not end in time" in line for line in up.err)
    finally:
        up.process.kill()

    again = Up(tmp_path / "data")
    try:
        assert recommended(again) == ["shoe-2", "pan-1"], "the data folder is reused"
        again.end(signal.SIGKILL)
        assert again.nothing_left()
    finally:
        again.process.kill()


@pytest.mark.timeout(600)
def test_up_with_a_kafka_and_redis_of_the_users_own_and_another_prefix(
    tmp_path: Path, kafka: Any, redis_server: Any, topic_prefix: str
) -> None:
    flags = ["--bootstrap-servers", kafka.bootstrap_servers, "--redis-url", redis_server.url]
    up = Up(tmp_path / "data", *flags, "--prefix", topic_prefix, "--scale", "text=2", "--console")
    try:
        commands = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in up.pids]
        assert not {"java", "redis-server"} & set(commands)
        assert up.address("topics") == f"{topic_prefix}*"
        assert up.worker_pid("text-2") in up.pids
        publish_items(up, "--prefix", topic_prefix)
        assert eventually(lambda: len(recommended(up, "--prefix", topic_prefix)) == 3)
        with urllib.request.urlopen(up.address("console") + "api/items", timeout=10) as answer:
            assert {one["item_id"] for one in json.load(answer)["items"]} == {"shoe-1", "shoe-2", "pan-1"}
        noted = json.loads((tmp_path / "data" / "workers.json").read_bytes())
        assert (noted["bootstrap_servers"], noted["prefix"]) == (kafka.bootstrap_servers, topic_prefix)
        assert {one["name"] for one in noted["workers"]} == {*ROLES, "text-2"}
        assert up.end(signal.SIGINT) == 0, "".join(up.err)
        assert up.nothing_left()
        assert not (tmp_path / "data" / "workers.json").exists()
    finally:
        up.process.kill()


def test_a_role_that_cannot_start_is_told_and_nothing_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers.cli", "up", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "-o", "encoders.image=text-distilled-128"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "encodes text" in done.stderr or "text-distilled-128" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == ""
