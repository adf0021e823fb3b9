"""Long work beside what must be quick, in a thread that takes only what others leave of the cores."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from workers.daemon_thread import DaemonThread

Found = TypeVar("Found")

LOWEST_PRIORITY = 19
_AUTOGROUP = Path("/proc/self/autogroup")


def _step_back() -> None:
    # On Linux a priority belongs to a thread; elsewhere it would be the whole process that steps back.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def step_back(nice: int) -> None:
    """Give way to other processes of the machine: what this thread starts from now on does so too.

    Linux may share the cores out between sessions first (sched_autogroup, see sched(7)): what a process
    gives way by counts only against others of its session, unless the session itself gives way. So a process
    that leads one, as every child of a supervisor does, sets both.

    Args:
        nice: By how much, from 0 to 19; nothing where the system has no such thing.
    """
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(nice)
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(nice))


async def in_background(work: Callable[[], Found], name: str) -> Found:
    """Do work in a thread of its own, of the lowest priority where the system gives threads one.

    Training for a minute on every core that it finds would make each list wait meanwhile.

    Args:
        work: Takes seconds.
        name: What the thread is called.

    Returns:
        What ``work`` returns; what it raises is raised. Cancelled, it does not wait for the work's end, and
        neither does the process.
    """

    def run() -> Found:
        _step_back()
        return work()

    thread = DaemonThread(name)
    try:
        return await thread.run(run)
    finally:
        thread.close()
