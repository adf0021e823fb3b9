"""Long work gives way to short work."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from workers.background import LOWEST_PRIORITY, in_background


def own_priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_only_the_thread_that_works_steps_back() -> None:
    before = own_priority()
    assert await in_background(own_priority, "long") == LOWEST_PRIORITY
    assert own_priority() == before


async def test_who_gives_up_does_not_wait_for_the_work() -> None:
    may_end = threading.Event()
    waiting = asyncio.ensure_future(in_background(may_end.wait, "long"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [one.daemon for one in threading.enumerate() if one.name == "long"] == [True]
    may_end.set()


async def test_what_the_work_raises_is_raised() -> None:
    def fail() -> None:
        raise ValueError("no history")

    with pytest.raises(ValueError, match="no history"):
        await in_background(fail, "long")


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="sessions do not share the cores out")
def test_a_process_that_leads_a_session_steps_back_for_others_with_it() -> None:
    code = """
import json, os
from pathlib import Path
from workers.background import step_back

def told():
    # Nothing is told where the process has no session's share, as in a control group of its own.
    share = Path("/proc/self/autogroup").read_text().split()
    return os.getpriority(os.PRIO_PROCESS, 0), share[-1] if share else None

before = told()
step_back(5)
print(json.dumps([before, told()]))
"""

    def before_and_after(*, leads: bool) -> tuple[list[Any], list[Any]]:
        run = subprocess.run(
            [sys.executable, "-c", code], start_new_session=leads, capture_output=True, text=True, check=True
        )
        before, after = json.loads(run.stdout)
        return before, after

    # Whoever runs the tests may have stepped back: a new session begins anew, a new process does not.
    before, after = before_and_after(leads=True)
    assert after[0] == min(before[0] + 5, 19)
    assert after[1] in ("5", None)
    # Others of this session do not step back.
    before, after = before_and_after(leads=False)
    assert after == [min(before[0] + 5, 19), before[1]]
