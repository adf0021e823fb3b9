"""Child processes: ready when they say so, started again when they die, never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import ConfigurationError, DefectError, DependencyDownError
from tests.processes import eventually, is_running
from workers import child_process
from workers.process_memory import descendants
from workers.supervisor import Supervisor

CHILD = """
import http.server, json, os, signal, sys, threading, time
from workers.child_process import announce_port
role, folder = sys.argv[1], sys.argv[2]
print("this is", role, flush=True)
if role == "broken":
    print("setting `encoders.text` is wrong", flush=True)
    sys.exit(2)
if role == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(f"{folder}/flags-{role}", "w") as file:
    file.write(os.environ["FRESHET_FLAGS"])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = role != "slow"
        self.send_response(200 if ready else 503)
        self.end_headers()
        if role == "slow" and os.path.exists(f"{folder}/hangs"):
            time.sleep(600)
        self.wfile.write(json.dumps({"ready": ready, "reason": "waits for Kafka"}).encode())
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
announce_port(server.server_port)
server.serve_forever()
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(
            flags={"topics": {"prefix": "p."}},
            log_folder=folder / "logs",
            say=self.said.append,
            command_for=lambda role: [sys.executable, "-c", CHILD, role, str(folder)],
        )

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(child_process, "_READY_TIMEOUT_S", 60.0)
    return Bench(tmp_path)


def test_workers_become_ready_have_their_flags_and_end_when_asked(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        assert supervisor.start("text", 2) == ["text", "text-2"]
        assert supervisor.start("fuse") == ["fuse"]
        ready: list[str] = []
        supervisor.wait_ready(on_ready=ready.append)
        assert sorted(ready) == ["fuse", "text", "text-2"]
        pids = supervisor.pids()
        assert len(pids) == 3
        assert len(supervisor.pids("text")) == 2
        assert json.loads((bench.folder / "flags-fuse").read_text()) == {
            "topics": {"prefix": "p."},
            "worker": {"metrics_port": 0},
        }
        assert [(one.name, one.ready, one.restarts) for one in supervisor.workers()] == [
            ("text", True, 0),
            ("text-2", True, 0),
            ("fuse", True, 0),
        ]
        memory = supervisor.memory({"myself again": os.getpid()})
        assert set(memory) == {"this command", "text", "text-2", "fuse", "myself again"}
        assert all(used_bytes > 1 << 20 for used_bytes in memory.values())
        assert supervisor.stop() == []
    assert not any(map(is_running, pids))
    assert bench.said == []


def test_a_killed_worker_is_started_again_and_it_is_said(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("text")
        supervisor.wait_ready()
        killed = supervisor.kill("text")

        def is_back() -> bool:
            supervisor.poll()
            return supervisor.pids("text") not in ([], [killed])

        assert eventually(is_back)
        supervisor.wait_ready()
        assert supervisor.workers()[0].restarts == 1
        assert len(bench.said) == 1
        assert bench.said[0].startswith("text was killed by SIGKILL; started again in 0.5 s (log: ")
        assert bench.log("text").count("this is text") == 2


def test_restarts_back_off(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("broken")

        def said_thrice() -> bool:
            supervisor.poll()
            return len(bench.said) >= 3

        assert eventually(said_thrice)
    assert [line.split(" in ")[1].split(" s")[0] for line in bench.said[:3]] == ["0.5", "1", "2"]


def test_a_failed_start_shows_the_end_of_the_log(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("broken")
        with pytest.raises(ConfigurationError, match=r"exit code 2(.|\n)*`encoders\.text` is wrong"):
            supervisor.wait_ready()


def test_a_worker_that_waits_too_long_is_told_with_its_reason(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("slow")
        assert eventually(lambda: supervisor.workers()[0].reason == "waits for Kafka")
        with pytest.raises(DependencyDownError, match="slow: waits for Kafka"):
            supervisor.wait_ready(timeout_s=0.2)


def test_an_answer_of_which_only_the_beginning_comes_is_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("slow")
        assert eventually(lambda: supervisor.workers()[0].reason == "waits for Kafka")
        (bench.folder / "hangs").touch()
        monkeypatch.setattr(child_process, "_READY_TIMEOUT_S", 0.2)
        assert supervisor.workers()[0].reason == "its health endpoint does not answer"


def test_a_worker_that_does_not_end_is_killed_in_bounded_time(bench: Bench) -> None:
    with bench.supervisor as supervisor:
        supervisor.start("stubborn")
        supervisor.start("text")
        supervisor.wait_ready()
        pids = supervisor.pids()
        assert supervisor.stop(timeout_s=7.0) == ["stubborn"]
    assert not any(map(is_running, pids))


def test_no_worker_to_kill_is_an_error(bench: Bench) -> None:
    with bench.supervisor as supervisor, pytest.raises(DefectError, match="`text`"):
        supervisor.kill("text")


PARENT = """
import sys, time
from pathlib import Path
from workers.supervisor import Supervisor
folder, child = Path(sys.argv[1]), sys.argv[2]
supervisor = Supervisor(
    log_folder=folder, command_for=lambda role: [sys.executable, "-c", child, role, str(folder)])
supervisor.start("text", 2)
supervisor.wait_ready()
print("ready", flush=True)
time.sleep(600)
"""


def test_sigkill_of_the_supervisor_leaves_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        children = descendants(parent.pid)
        assert len(children) == 2
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not any(map(is_running, children)))
