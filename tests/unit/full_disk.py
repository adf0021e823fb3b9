"""A disk without room, for what Python writes in this process."""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@contextmanager
def full_disk() -> Iterator[list[str]]:
    """Refuse to make files and folders, and to open files for writing; devices have no disk.

    Yields:
        What was refused.
    """
    refused: list[str] = []
    # Looked for once, by writing.
    tempfile.gettempdir()

    def refuse(path: object) -> None:
        if isinstance(path, int) or str(path).startswith(("/dev/", "/proc/")):
            return
        refused.append(str(path))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def opening(true_open: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if set(mode) & set("wax+"):
                refuse(file)
            return true_open(file, mode, *arguments, **options)

        return opened

    true_os_open, true_mkdir = os.open, os.mkdir

    def os_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & _WRITES:
            refuse(path)
        return true_os_open(path, flags, *arguments, **options)

    def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
        if not Path(path).is_dir():
            refuse(path)
        true_mkdir(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opening(io.open))
        patch.setattr(builtins, "open", opening(builtins.open))
        patch.setattr(os, "open", os_open)
        patch.setattr(os, "mkdir", mkdir)
        yield refused
