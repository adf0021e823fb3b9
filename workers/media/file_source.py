"""Media from files beneath configured folders."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streams.errors import MediaTooLargeError, UriNotAllowedError, UriUnreachableError
from workers.media.fetch_settings import MediaFetchSettings, TransientFetchError

_TRANSIENT = (errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT)


class FileSource:
    """Reads ``file`` URIs, in threads."""

    def __init__(self, settings: MediaFetchSettings, threads: Executor) -> None:
        self._settings = settings
        self._threads = threads

    async def fetch(self, uri: str) -> bytes:
        """One attempt. Raises as :meth:`workers.media.fetch.MediaFetcher.fetch`, or TransientFetchError."""
        path = _path_of(uri)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, path)

    def _read(self, path: str) -> bytes:
        try:
            resolved = self._beneath_roots(os.path.realpath(path, strict=True), path)
            # Without O_NONBLOCK, opening a FIFO waits for a writer.
            descriptor = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                # A folder on the way may have become a link meanwhile: what counts is what was opened.
                self._beneath_roots(os.path.realpath(f"/proc/self/fd/{descriptor}"), path)
                return self._read_regular(descriptor, path)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in _TRANSIENT:
                raise TransientFetchError(f"{path}: {error.strerror}") from error
            # Beyond the roots not even whether a file is there is told.
            self._beneath_roots(os.path.realpath(path), path)
            raise UriUnreachableError(f"{path}: {error.strerror}") from error

    def _read_regular(self, descriptor: int, path: str) -> bytes:
        status, limit = os.fstat(descriptor), self._settings.max_bytes
        if not stat.S_ISREG(status.st_mode):
            raise UriNotAllowedError(f"{path} is not a regular file")
        if status.st_size > limit:
            raise MediaTooLargeError(f"{path}: {status.st_size:,} bytes, over {limit:,}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        if len(data) > limit:  # it grew
            raise MediaTooLargeError(f"{path}: over {limit:,} bytes")
        return data

    def _beneath_roots(self, resolved: str, path: str) -> str:
        if not any(Path(resolved).is_relative_to(root.resolve()) for root in self._settings.roots):
            roots = ", ".join(map(str, self._settings.roots)) or "none is set"
            raise UriNotAllowedError(
                f"{path} is not beneath a folder that media may come from ({roots}); "
                "add its folder to the setting `media.file_roots`"
            )
        return resolved


def _path_of(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise UriNotAllowedError(f"{uri[:200]}: {error}") from error
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise UriNotAllowedError(f"{uri[:200]}: give file:///PATH, with ? as %3F and # as %23")
    path = unquote(parts.path, errors="surrogateescape")
    if not path.startswith("/") or "\0" in path:
        raise UriNotAllowedError(f"{uri[:200]}: a file URI needs an absolute path")
    return path
