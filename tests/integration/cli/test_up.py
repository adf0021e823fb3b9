"""`freshet up` as a person meets it: a command, its output, its signals, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.processes import eventually, is_running
from workers.process_memory import descendants
from workers.roles import ROLES

# Only so that a test does not hang: a busy machine may take long.
READY_TIMEOUT_S = 400
WAIT_S = 180
LOG_TAIL_CHARACTERS = 6_000

ITEMS = (
    {"item_id": "shoe-1", "title": "Trail running shoe", "attributes": {"category": "shoes"}},
    {"item_id": "shoe-2", "title": "Road running shoe", "attributes": {"category": "shoes"}},
    {"item_id": "pan-1", "title": "Cast iron frying pan", "attributes": {"category": "kitchen"}},
)


class Up:
    """A `freshet up` that runs."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "workers.cli", "up", "--data-dir", str(folder), *flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
        self.logs = folder / "logs"
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
            assert "ready\n" in self.out, self.told()
        except BaseException:
            self.process.kill()
            raise
        self.pids = descendants(self.process.pid)

    def told(self) -> str:
        """What it said, and the end of what each of its workers wrote: why a test failed."""
        parts = {"standard output": "".join(self.out), "standard error": "".join(self.err)}
        parts |= {path.name: path.read_text(errors="replace") for path in sorted(self.logs.glob("*.log"))}
        return "\n".join(f"\n== {name}\n{text[-LOG_TAIL_CHARACTERS:]}" for name, text in parts.items())

    def eventually(self, condition: Callable[[], bool], what: str) -> None:
        assert eventually(condition, WAIT_S), f"not within {WAIT_S} s: {what}\n{self.told()}"

    def address(self, what: str) -> str:
        (line,) = (line for line in self.out if line.startswith(what))
        return line.removeprefix(what).split()[0]

    def worker_pid(self, role: str) -> int:
        (line,) = (line for line in self.out if line.startswith(f"worker {role} "))
        return int(line.split()[-1])

    def freshet(self, *arguments: str, input_text: str | None = None) -> subprocess.CompletedProcess[str]:
        flags = ["--bootstrap-servers", self.address("Kafka"), "--redis-url", self.address("Redis")]
        command = [sys.executable, "-m", "workers.cli", *arguments, *flags]
        return subprocess.run(command, input=input_text, capture_output=True, text=True, timeout=2 * WAIT_S)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def nothing_left(self) -> bool:
        return eventually(lambda: not any(map(is_running, self.pids)), WAIT_S)


def ask(up: Up, *flags: str) -> subprocess.CompletedProcess[str]:
    done = up.freshet("recommend", "anna", "--timeout", str(WAIT_S), *flags)
    assert done.returncode == 0, f"{done.stderr}\n{up.told()}"
    return done


def recommended(up: Up, *flags: str) -> list[str]:
    done = ask(up, "--json", *flags)
    return [item["item_id"] for item in json.loads(done.stdout)["items"]]


def explained(up: Up) -> bool:
    """Ask for words, as JSON and for a person; whether both say the same, as once nothing new comes."""
    answer, words = map(json.loads, ask(up, "--json", "--explain").stdout.splitlines())
    assert words["recommendation_id"] == answer["recommendation_id"]
    assert [one["item_id"] for one in words["items"]] == [one["item_id"] for one in answer["items"]]
    shown = ask(up, "--explain")
    assert "words by template@1" in shown.stderr
    return all(one["text"] in shown.stdout for one in words["items"])


def publish_items(up: Up, *flags: str) -> None:
    lines = "".join(json.dumps(item) + "\n" for item in ITEMS)
    done = up.freshet("publish", "items", "-", *flags, input_text=lines)
    assert done.returncode == 0, f"{done.stderr}\n{up.told()}"


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


@pytest.mark.timeout(1_200)
def test_up_serves_survives_a_killed_worker_and_leaves_nothing(tmp_path: Path) -> None:
    up = Up(tmp_path / "data")
    try:
        assert {role for role in ROLES if up.worker_pid(role) in up.pids} == set(ROLES)
        publish_items(up)
        up.eventually(lambda: len(recommended(up)) == 3, "all items are listed")
        up.eventually(lambda: explained(up), "a list has its words")

        killed = up.worker_pid("profile")
        os.kill(killed, signal.SIGKILL)
        event = {"event_id": "1", "user_id": "anna", "item_id": "shoe-1", "action": "click"}
        event["occurred_at"] = datetime.now(UTC).isoformat()
        published = up.freshet("publish", "events", "-", input_text=json.dumps(event))
        assert published.returncode == 0, f"{published.stderr}\n{up.told()}"
        up.eventually(lambda: recommended(up) == ["shoe-2", "pan-1"], "the click has its effect")
        again_line = "profile was killed by SIGKILL; started again"
        up.eventually(lambda: any(line.startswith(again_line) for line in up.err), again_line)

        found: list[str] = []
        assert eventually(lambda: all_at_rest(up, found), WAIT_S), "\n".join([*found, up.told()])

        up.pids = descendants(up.process.pid)
        assert up.end(signal.SIGTERM) == 0, up.told()
        assert up.nothing_left()
        assert not any("did not end in time" in line for line in up.err), up.told()
    finally:
        up.process.kill()

    again = Up(tmp_path / "data")
    try:
        assert recommended(again) == ["shoe-2", "pan-1"], "the data folder is reused"
        again.end(signal.SIGKILL)
        assert again.nothing_left()
    finally:
        again.process.kill()


@pytest.mark.timeout(1_200)
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
        up.eventually(lambda: len(recommended(up, "--prefix", topic_prefix)) == 3, "all items are listed")

        def on_the_page() -> set[str]:
            with urllib.request.urlopen(up.address("console") + "api/items", timeout=WAIT_S) as answer:
                return {one["item_id"] for one in json.load(answer)["items"]}

        # The console reads the topic for itself, when it gets to it.
        up.eventually(lambda: on_the_page() == {"shoe-1", "shoe-2", "pan-1"}, "the page has them all")
        noted = json.loads((tmp_path / "data" / "workers.json").read_bytes())
        assert (noted["bootstrap_servers"], noted["prefix"]) == (kafka.bootstrap_servers, topic_prefix)
        assert {one["name"] for one in noted["workers"]} == {*ROLES, "text-2"}
        assert up.end(signal.SIGINT) == 0, up.told()
        assert up.nothing_left()
        assert not (tmp_path / "data" / "workers.json").exists()
    finally:
        up.process.kill()


def test_a_role_that_cannot_start_is_told_and_nothing_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers.cli", "up", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "-o", "encoders.image=text-distilled-128"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 2, done.stderr
    assert "encodes text" in done.stderr or "text-distilled-128" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout

    def is_gone() -> bool:
        return subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True).stdout == b""

    # The kernel ends a process some moments after its parent.
    assert eventually(is_gone, WAIT_S)
