"""How much memory processes use, shared pages counted once between those that share them."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def pss_bytes(pid: int) -> int:
    """The proportional set size of one process: its own pages, and its part of those that it shares.

    The resident set size where the kernel does not tell the other; 0 where the process is gone.
    """
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return _rss_bytes(pid)


def tree_pss_bytes(pid: int) -> int:
    """`pss_bytes` of a process and all that descend from it."""
    return sum(pss_bytes(one) for one in [pid, *descendants(pid)])


def descendants(pid: int) -> list[int]:
    """Children of a process, their children, and so on."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (parent := _parent(int(folder.name))) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    waiting = list(children.get(pid, ()))
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, ())
    return found


def _parent(pid: int) -> int | None:
    try:
        # The name in brackets may hold anything, brackets too.
        state, parent, *_ = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(parent)


def _rss_bytes(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return 0
