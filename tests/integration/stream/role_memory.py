"""The memory of a role's process, and of the children in which it decodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEBIBYTE = 1 << 20


def children(pid: int) -> list[int]:
    """The processes that a process started and that are still there."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may have ended since it was listed.
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, path.read_text().split())
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory now."""
    return _status_bytes(pid, "VmRSS")


def cpu_ticks(pid: int) -> int:
    """Processor time used so far, in the kernel's ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def address_space_limit_bytes(pid: int) -> int:
    """The limit that the kernel holds a process to."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    found = re.search(r"^Max address space +(\d+)", limits, re.MULTILINE)
    assert found, f"{pid} may use any amount of memory"
    return int(found[1])


@contextmanager
def bounded(pid: int, growth_bytes: int) -> Iterator[None]:
    """Fail where the process's resident memory has ever been so much above its start meanwhile."""
    # Resets the peak, see proc(5).
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = resident_bytes(pid)
    yield
    growth = _status_bytes(pid, "VmHWM") - before
    assert growth <= growth_bytes, f"grew by {growth / MEBIBYTE:.0f} MiB"


def _status_bytes(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1_024
