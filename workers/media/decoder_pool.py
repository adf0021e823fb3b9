"""Decoding in child processes: bad media cost one child at most, and one item.

Why so, and not with a library: docs/decisions/0004-decoding-in-child-processes.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from streams.errors import (
    BadInputError,
    ConfigurationError,
    DecoderCrashedError,
    DefectError,
    DependencyDownError,
    MediaTooLargeError,
    MediaUnreadableError,
)
from workers.media.decoder_child import LENGTH

Arrays = tuple[NDArray[Any] | None, ...]

DECODERS: Final[Mapping[str, str]] = {
    "image": "models.preprocessing.image:decode_image",
    "audio": "models.preprocessing.audio:decode_audio",
    "video": "models.preprocessing.video:decode_video",
}
"""The decoder of each kind of media, as "module:function". A child imports only those of its pool."""

_CHUNK_BYTES: Final = 1 << 20
_MAX_HEADER_BYTES: Final = 1 << 16
_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {"uint8": np.dtype(np.uint8), "float32": np.dtype(np.float32)}
_CHILD: Final = (
    "import json, sys; configuration = json.loads(sys.argv[1]); sys.path[:] = configuration['path']; "
    "from workers.media.decoder_child import main; main(configuration)"
)
# What Python and the C libraries need. Nothing else is handed on: the environment may hold passwords.
_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "VIRTUAL_ENV")
_CHILD_ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # One heap, and large buffers given back at once: a child stays small after a large file.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 18),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
}
_REFUSALS: Final[Mapping[str, type[BadInputError]]] = {
    "media_unreadable": MediaUnreadableError,
    "media_too_large": MediaTooLargeError,
}


@dataclass(frozen=True, slots=True)
class DecoderPoolSettings:
    """How many child processes, and what each may use.

    Attributes:
        processes: child processes, and so files decoded at the same time.
        timeout_s: for one file, on the clock, from when a child takes it.
        memory_bytes: address space of a child.
        result_bytes: of the arrays of one file.
        requests_per_process: after so many a child is replaced, so that no leak of a C library adds up.
        start_timeout_s: for a child to come up.
    """

    processes: int = 1
    timeout_s: float = 20.0
    memory_bytes: int = 1 << 30
    result_bytes: int = 1 << 28
    requests_per_process: int = 5_000
    start_timeout_s: float = 30.0


class DecoderPool:
    """A fixed number of child processes that decode media.

    Used as ``async with DecoderPool(settings) as pool: arrays = await pool.decode(…)``. It belongs to the
    event loop it was entered in, and never blocks it.
    """

    def __init__(
        self, settings: DecoderPoolSettings | None = None, decoders: Mapping[str, str] = DECODERS
    ) -> None:
        """``decoders``: kind → "module:function"; give only the kinds in use, a child is the smaller."""
        self._settings = settings or DecoderPoolSettings()
        self._decoders = dict(decoders)
        self._slots: asyncio.Queue[_Child | None] = asyncio.Queue()
        self._children: set[_Child] = set()
        self._closed = False
        self.restarts = 0
        """Children started in place of others that crashed, timed out or had served long enough."""

    async def __aenter__(self) -> Self:
        """Starts the children.

        Raises:
            ConfigurationError: they do not come up.
        """
        try:
            for child in await asyncio.gather(*(self._start() for _ in range(self._settings.processes))):
                self._slots.put_nowait(child)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the children, also those at work."""
        self._closed = True
        children = list(self._children)
        for child in children:
            self._end(child)
        await asyncio.gather(*(child.process.wait() for child in children))

    @property
    def process_ids(self) -> list[int]:
        """Of the children alive."""
        return [child.process.pid for child in self._children if child.process.returncode is None]

    async def decode(self, kind: str, data: bytes, options: Mapping[str, Any]) -> Arrays:
        """Decodes one file. Waits while every child is at work: so the caller is held back.

        Args:
            kind: one of the pool's decoders.
            data: the encoded file.
            options: the decoder's keyword arguments, of JSON types; ``limits`` the fields of
                :class:`models.preprocessing.limits.MediaLimits`.

        Returns:
            What the decoder returns, as read-only arrays; one array comes as a tuple of one.

        Raises:
            MediaUnreadableError: the decoder cannot read it.
            MediaTooLargeError: it is over a limit of ``options``.
            DecoderCrashedError: the child died of it, or was ended at a limit on time or memory.
            DependencyDownError: the pool was closed meanwhile, which says nothing about the file.
        """
        if kind not in self._decoders:
            raise DefectError(f"this pool decodes {sorted(self._decoders)}, not {kind!r}")
        child = await self._slots.get()
        try:
            if self._closed:
                raise DependencyDownError("media are not decoded any more: this process is ending")
            if child is None or not child.is_fit(self._settings.requests_per_process):
                if child is not None:
                    self._end(child)
                    child = None
                self.restarts += 1
                child = await self._start()
            return await self._call(child, kind, data, options)
        except BaseException as error:
            # Whatever happened, also a cancellation: unless the child answered in full, it is out of step.
            if child is not None and not (isinstance(error, BadInputError) and child.is_in_step):
                self._end(child)
                child = None
            raise
        finally:
            self._slots.put_nowait(child)

    async def _call(self, child: _Child, kind: str, data: bytes, options: Mapping[str, Any]) -> Arrays:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await child.call(kind, data, options, self._settings.result_bytes)
        except TimeoutError:
            raise DecoderCrashedError(
                f"decoding this {kind} took longer than {self._settings.timeout_s:g} s and was ended"
            ) from None
        except (EOFError, OSError):
            if self._closed:
                raise DependencyDownError("media are not decoded any more: this process is ending") from None
            raise DecoderCrashedError(
                f"the process that decoded this {kind} died: {await child.cause_of_death()}"
            ) from None
        except (ValueError, TypeError, LookupError) as error:
            raise DecoderCrashedError(f"the process that decoded this {kind} answered nonsense") from error

    async def _start(self) -> _Child:
        configuration = {
            "parent_pid": os.getpid(),
            "path": sys.path,
            "decoders": self._decoders,
            "memory_bytes": self._settings.memory_bytes,
            "cpu_s": math.ceil(self._settings.timeout_s),
        }
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _CHILD, json.dumps(configuration)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=kept | _CHILD_ENVIRONMENT,
                limit=_CHUNK_BYTES,
            )
        except OSError as error:
            raise ConfigurationError(f"no process to decode media could be started: {error}") from error
        child = _Child(process)
        self._children.add(child)
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                await child.read_header()
        except (EOFError, TimeoutError) as error:
            cause = await child.cause_of_death()
            self._end(child)
            raise ConfigurationError(
                f"a process to decode media did not come up ({cause}). Its own "
                f"message is on standard error. Decoders: {self._decoders}; memory: "
                f"{self._settings.memory_bytes:,} bytes"
            ) from error
        except BaseException:
            self._end(child)
            raise
        return child

    def _end(self, child: _Child) -> None:
        self._children.discard(child)
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()


class _Child:
    """One child process, seen from its parent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise DefectError("the child has no pipes")
        self.process = process
        self._requests = process.stdin
        self._responses = process.stdout
        self._served = 0
        self.is_in_step = True

    def is_fit(self, requests: int) -> bool:
        return self.process.returncode is None and self._served < requests

    async def call(self, kind: str, data: bytes, options: Mapping[str, Any], result_bytes: int) -> Arrays:
        self.is_in_step = False
        self._served += 1
        header = json.dumps({"kind": kind, "options": options, "bytes": len(data)}).encode()
        self._requests.write(LENGTH.pack(len(header)) + header)
        view = memoryview(data)
        for start in range(0, len(data), _CHUNK_BYTES):
            self._requests.write(view[start : start + _CHUNK_BYTES])
            await self._requests.drain()
        await self._requests.drain()
        answer = await self.read_header()
        if "error" in answer:
            reason, detail = str(answer["error"]), str(answer["detail"])
            self.is_in_step = reason in _REFUSALS
            raise _REFUSALS.get(reason, DecoderCrashedError)(f"{kind}: {detail}")
        arrays = [await self._read_array(described, result_bytes) for described in answer["arrays"]]
        self.is_in_step = True
        return tuple(arrays)

    async def read_header(self) -> dict[str, Any]:
        (length,) = LENGTH.unpack(await self._responses.readexactly(LENGTH.size))
        if length > _MAX_HEADER_BYTES:
            raise DecoderCrashedError("the process that decodes media answered nonsense")
        header: dict[str, Any] = json.loads(await self._responses.readexactly(length))
        return header

    async def _read_array(self, described: Any, result_bytes: int) -> NDArray[Any] | None:
        if described is None:
            return None
        dtype, shape = _DTYPES[described[0]], tuple(int(length) for length in described[1])
        size_bytes = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size_bytes > result_bytes:
            raise DecoderCrashedError(f"the decoder's answer of shape {shape} is over {result_bytes:,} bytes")
        raw: NDArray[Any] = np.frombuffer(await self._responses.readexactly(size_bytes), dtype)
        return raw.reshape(shape)

    async def cause_of_death(self) -> str:
        try:
            async with asyncio.timeout(1.0):
                status = await self.process.wait()
        except TimeoutError:
            return "still running"
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
