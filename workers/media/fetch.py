"""The bytes of an item's media: inline, from a file, over HTTP, or by fsspec; only from where allowed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Protocol, Self

from aiohttp.abc import AbstractResolver

from streams.errors import (
    MediaTooLargeError,
    MediaUnreadableError,
    UriNotAllowedError,
    UriUnreachableError,
)
from streams.messages import Media
from workers.media.fetch_settings import MediaFetchSettings, TransientFetchError
from workers.media.file_source import FileSource
from workers.media.fsspec_source import FsspecSource
from workers.media.http_source import HttpSource

__all__ = ["MediaFetchSettings", "MediaFetcher"]

_FIRST_WAIT_S: Final = 0.2
_THREADS: Final = 8
# Decoding base64 takes 2 ms a MiB: more than this does not belong on the event loop.
_INLINE_ON_LOOP_CHARACTERS: Final = 1 << 18


class _Source(Protocol):
    async def fetch(self, uri: str) -> bytes:
        """One attempt. Raises BadInputError for good, TransientFetchError where another may succeed."""


class MediaFetcher:
    """Fetches media. Used as ``async with MediaFetcher(settings) as fetcher: await fetcher.fetch(media)``."""

    def __init__(
        self, settings: MediaFetchSettings | None = None, resolver: AbstractResolver | None = None
    ) -> None:
        """``resolver``: of host names; the system's where None. Its answers are checked in any case."""
        self._settings = settings or MediaFetchSettings()
        self._resolver = resolver

    async def __aenter__(self) -> Self:
        """Raises ConfigurationError where a scheme is allowed that nothing here can read."""
        self._threads = ThreadPoolExecutor(_THREADS, "media-fetch")
        self._http = HttpSource(self._settings, self._resolver)
        self._fsspec = FsspecSource(self._settings, self._threads)
        self._by_scheme: Mapping[str, _Source] = {
            "file": FileSource(self._settings, self._threads),
            "http": self._http,
            "https": self._http,
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, media: Media) -> bytes:
        """The media's encoded bytes.

        Raises:
            MediaUnreadableError: inline data that is not base64.
            MediaTooLargeError: over the limit on bytes; a longer download is not read to its end.
            UriNotAllowedError: the URI, or one that it redirects to, is not allowed. No connection was made
                to it and no file opened.
            UriUnreachableError: allowed, but not there, or not to be had within the deadline.
        """
        if media.data is not None:
            if len(media.data) <= _INLINE_ON_LOOP_CHARACTERS:
                return self._inline(media.data)
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._inline, media.data)
        uri = media.uri or ""
        scheme = uri.partition(":")[0].lower()
        if scheme not in self._settings.allowed_schemes:
            raise UriNotAllowedError(
                f"{_shown(uri)}: scheme {scheme!r} is not among {sorted(self._settings.allowed_schemes)}; "
                "allow it in the setting `media.allowed_schemes`"
            )
        return await self._with_retries(self._by_scheme.get(scheme, self._fsspec), uri)

    async def _with_retries(self, source: _Source, uri: str) -> bytes:
        attempt, failure = 0, "no answer"
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                for attempt in range(1, self._settings.attempts + 1):
                    if attempt > 1:
                        await asyncio.sleep(_FIRST_WAIT_S * 2 ** (attempt - 2) * random.uniform(0.5, 1.5))
                    try:
                        return await source.fetch(uri)
                    except TransientFetchError as error:
                        failure = str(error)
        except TimeoutError:
            failure = f"no answer within {self._settings.deadline_s:g} s, lastly: {failure}"
        raise UriUnreachableError(f"{_shown(uri)}: {failure}", attempts=attempt)

    def _inline(self, data: str) -> bytes:
        limit = self._settings.inline_max_bytes
        # Four characters carry three bytes, the last four at least one: refused before anything is decoded.
        if len(data) > 4 * -(-limit // 3):
            raise MediaTooLargeError(
                f"inline data of {len(data):,} characters is over {limit:,} bytes; give a URI instead"
            )
        try:
            decoded = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MediaUnreadableError(f"`data` is not base64: {error}") from error
        if len(decoded) > limit:
            raise MediaTooLargeError(f"inline data of {len(decoded):,} bytes is over {limit:,} bytes")
        return decoded


def _shown(uri: str) -> str:
    """The URI as far as it fits a message."""
    return uri if len(uri) <= 200 else uri[:200] + "…"
