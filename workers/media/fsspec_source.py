"""Media from object stores and the like, by fsspec, where its backend is installed."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Final

import fsspec  # type: ignore[import-untyped]

from streams.errors import (
    ConfigurationError,
    MediaTooLargeError,
    UriNotAllowedError,
    UriUnreachableError,
)
from workers.media.fetch_settings import MediaFetchSettings, TransientFetchError

# These reach local files, other hosts or further URIs, past the checks of the sources for files and HTTP.
_NEVER: Final = frozenset(
    {"local", "async_wrapper", "blockcache", "cached", "dask", "data", "dir", "filecache", "generic"}
    | {"jupyter", "libarchive", "reference", "simplecache", "tar", "zip"}
)


class FsspecSource:
    """Reads URIs of schemes that settings allow, in threads."""

    def __init__(self, settings: MediaFetchSettings, threads: Executor) -> None:
        """
        Raises:
            ConfigurationError: a scheme is allowed, but its backend is not installed.
        """
        self._settings = settings
        self._threads = threads
        for scheme in settings.allowed_schemes - {"file", "http", "https"}:
            _require_backend(scheme)

    async def fetch(self, uri: str) -> bytes:
        """One attempt. Raises as :meth:`workers.media.fetch.MediaFetcher.fetch`, or TransientFetchError."""
        if "::" in uri:
            raise UriNotAllowedError(f"{uri[:200]}: chained file systems are not read")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, uri)

    def _read(self, uri: str) -> bytes:
        limit = self._settings.max_bytes
        try:
            with fsspec.open(uri, "rb") as file:
                data: bytes = file.read(limit + 1)
        except (FileNotFoundError, PermissionError, IsADirectoryError, ValueError) as error:
            raise UriUnreachableError(f"{uri[:200]}: {error}") from error
        except Exception as error:  # each backend has errors of its own
            raise TransientFetchError(f"{type(error).__name__}: {error}") from error
        if len(data) > limit:
            raise MediaTooLargeError(f"{uri[:200]}: over {limit:,} bytes")
        return data


def _require_backend(scheme: str) -> None:
    advice = "take it out of the setting `media.allowed_schemes`"
    if scheme in _NEVER:
        raise ConfigurationError(f"scheme {scheme!r} reads past the checks on files and hosts: {advice}")
    try:
        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"scheme {scheme!r} is allowed, but fsspec has no backend for it: {error}. Install one, or "
            f"{advice}"
        ) from error
