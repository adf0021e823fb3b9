from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from deploy import die_with_parent

PARENT = """
import sys, time
from deploy import die_with_parent
child = die_with_parent.spawn(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""


def ends_within(pid: int, seconds: float) -> bool:
    """Whether a process that is no child of this one is gone, or only a zombie, within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_the_child_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not ends_within(pid, 0.5)
        parent.kill()
    assert ends_within(pid, 60)


def test_the_launcher_becomes_the_command() -> None:
    child = die_with_parent.spawn(["sh", "-c", "echo $$; exit 7"], stdout=subprocess.PIPE)
    output, _ = child.communicate(timeout=60)
    assert int(output) == child.pid
    assert child.returncode == 7


def test_a_child_whose_parent_is_gone_already_does_not_run() -> None:
    arguments = [sys.executable, "-m", "deploy.die_with_parent", "1", "echo", "ran"]
    result = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert result.returncode == -signal.SIGKILL
    assert result.stdout == b""


def test_a_command_that_does_not_exist() -> None:
    child = die_with_parent.spawn(["/nowhere/program"], stderr=subprocess.PIPE)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 127
    assert errors.decode().startswith("cannot run /nowhere/program: ")
    assert len(errors.splitlines()) == 1


def test_a_broken_pipe_ends_the_child_as_in_a_shell() -> None:
    child = die_with_parent.spawn(["yes"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(timeout=60) == -signal.SIGPIPE


def test_usage() -> None:
    arguments = [sys.executable, "-m", "deploy.die_with_parent", "parent", "true"]
    result = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert result.returncode == os.EX_USAGE
    assert result.stderr.startswith(b"usage: ")
