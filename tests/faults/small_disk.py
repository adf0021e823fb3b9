"""A file system in memory whose size can be changed while it is used: a disk that fills up."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

ROOMY_BYTES = 4 << 30
FILL_ATTEMPTS = 50


class SmallDisk:
    """A tmpfs. Mounting takes root, or the like.

    Raises:
        OSError: It cannot be mounted here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if not path.is_mount():
            _run("mount", "-t", "tmpfs", "-o", f"size={ROOMY_BYTES}", "none", str(path))

    def fill(self) -> None:
        """Not a block more than there is now."""
        for attempt in range(FILL_ATTEMPTS):
            found = os.statvfs(self.path)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            try:
                self._resize(max(used, found.f_frsize))
                return
            except OSError:
                # Something was written since, and a file system is not made smaller than what is in it.
                if attempt == FILL_ATTEMPTS - 1:
                    raise
                time.sleep(0.01)

    def free(self) -> None:
        """Room again."""
        self._resize(ROOMY_BYTES)

    def unmount(self) -> None:
        """With everything in it."""
        _run("umount", str(self.path))

    def _resize(self, size_bytes: int) -> None:
        _run("mount", "-o", f"remount,size={size_bytes}", str(self.path))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
