"""Run a command that the kernel kills (SIGKILL) the moment its parent ends, in whatever way it ends.

``python -m deploy.die_with_parent PARENT_PID COMMAND [ARGUMENT…]`` asks the kernel for a parent-death signal,
checks that the parent is still the one expected, and becomes COMMAND: no further process stays in between.
From Python: :func:`spawn`.

The signal is sent when the *thread* that started the child ends, not only the process (prctl(2),
PR_SET_PDEATHSIG). So start children from the main thread, or from one that lives as long as they should. A
command that is set-user-id or has file capabilities loses the setting.

The module needs only the standard library, since it runs as a script without site-packages (12 ms).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_USAGE_ERROR = 64  # EX_USAGE of sysexits.h
_CANNOT_RUN = 127  # what a shell answers for a command that it cannot run


def command(arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The command line that runs ``arguments`` and dies with the process that calls this."""
    return [
        sys.executable,
        "-I",
        "-S",
        __file__,
        str(os.getpid()),
        *(os.fspath(argument) for argument in arguments),
    ]


def spawn(arguments: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child that never outlives the calling thread.

    Args:
        arguments: The command and its arguments.
        options: As of :class:`subprocess.Popen`. The child's standard input is empty unless named here.

    Raises:
        OSError: Python itself could not be started. A command that cannot be run ends with status 127 and
            the reason on its standard error.
    """
    return subprocess.Popen(command(arguments), **{"stdin": subprocess.DEVNULL, **options})


def _become(parent_pid: int, arguments: Sequence[str]) -> NoReturn:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # it ended before the signal was asked for
        os.kill(os.getpid(), signal.SIGKILL)
    # Python ignores these from its start, and what is ignored stays so through exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(arguments[0], list(arguments))


def main(arguments: Sequence[str]) -> NoReturn:
    """The script: ``PARENT_PID COMMAND [ARGUMENT…]``."""
    if len(arguments) < 2 or not arguments[0].isdecimal():
        print("usage: die_with_parent PARENT_PID COMMAND [ARGUMENT…]", file=sys.stderr)
        sys.exit(_USAGE_ERROR)
    try:
        _become(int(arguments[0]), arguments[1:])
    except (OSError, AttributeError) as error:  # AttributeError: a system without prctl
        print(f"cannot run {arguments[1]}: {error}", file=sys.stderr)
        sys.exit(_CANNOT_RUN)


if __name__ == "__main__":
    main(sys.argv[1:])
