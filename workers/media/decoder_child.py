"""The child process that decodes media. It trusts nothing it reads; its parent trusts nothing it answers.

It imports its decoders, gives up whatever else a process may do, and then answers one request after another:

* it dies with its parent;
* its address space, its CPU seconds a request and its core files are limited;
* it can open no file and no socket any more: no descriptor is left to it (``RLIMIT_NOFILE`` 0).

Wire format, both ways: four bytes of length (big endian), that many of JSON, then raw bytes as the JSON says.
Nothing is pickled: unpickling an answer would let a decoder that was taken over run code in the parent.

This module imports little: its memory is paid for by every child.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

import numpy as np

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.limits import MediaLimits

LENGTH: Final = struct.Struct(">I")
_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
_UNLIMITED: Final = resource.RLIM_INFINITY

Decoder = Callable[..., Any]


def main(configuration: Mapping[str, Any]) -> None:
    """Decodes until standard input ends.

    Args:
        configuration: ``parent_pid``; ``decoders``, kind → "module:function"; ``memory_bytes``; ``cpu_s``.
    """
    _die_with(configuration["parent_pid"])
    requests, responses = _take_standard_streams()
    decoders = {kind: _imported(name) for kind, name in configuration["decoders"].items()}
    gc.collect()
    gc.freeze()
    _give_up(configuration["memory_bytes"])
    _send(responses, {"ready": True})
    while head := requests.read(LENGTH.size):
        request = json.loads(requests.read(LENGTH.unpack(head)[0]))
        _limit_cpu(configuration["cpu_s"])
        # The file is given a name nowhere here: it would be kept until the next one comes.
        _answer(responses, decoders[request["kind"]], requests.read(request["bytes"]), request["options"])
        # Libraries tie files, and FFmpeg's filters with their threads, into reference cycles. Python 3.12
        # leaves them until the address space is used up; all else is frozen, so this takes microseconds.
        gc.collect()


def _answer(responses: BinaryIO, decoder: Decoder, data: bytes, options: dict[str, Any]) -> None:
    if "limits" in options:
        options["limits"] = MediaLimits(**options["limits"])
    try:
        result = decoder(data, **options)
    except MediaUnreadableError as error:
        _send(responses, {"error": "media_unreadable", "detail": error.detail})
    except MediaTooLargeError as error:
        _send(responses, {"error": "media_too_large", "detail": error.detail})
    except MemoryError:
        _send(responses, {"error": "memory", "detail": "ran out of its memory"})
    except Exception as error:
        _send(responses, {"error": "failed", "detail": f"{type(error).__name__}: {error}"})
    else:
        arrays = [
            None if array is None else np.ascontiguousarray(array)
            for array in (result if isinstance(result, tuple) else (result,))
        ]
        described = [array if array is None else [str(array.dtype), array.shape] for array in arrays]
        _send(responses, {"arrays": described}, *(array.data for array in arrays if array is not None))


def _send(responses: BinaryIO, header: Mapping[str, Any], *parts: memoryview) -> None:
    encoded = json.dumps(header).encode()
    responses.write(LENGTH.pack(len(encoded)) + encoded)
    for part in parts:
        if part.nbytes:  # a view with a zero in its shape cannot be cast
            responses.write(part.cast("B"))
    responses.flush()


def _imported(name: str) -> Decoder:
    module, _, function = name.partition(":")
    decoder: Decoder = getattr(importlib.import_module(module), function)
    return decoder


def _die_with(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before the signal was asked for
        os._exit(0)
    # Ctrl-C and service managers signal the whole group: the parent still finishes what is in flight, and a
    # child that ended then would look as if its item had killed it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, moved away from where C libraries print."""
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return requests, responses


def _give_up(memory_bytes: int) -> None:
    # What libraries say of hostile files would flood the log; failing imports above were still seen.
    os.dup2(0, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _limit_cpu(cpu_s: int) -> None:
    """The kernel ends the process after this many more seconds of computing, should the parent not."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + 1 + cpu_s
    with contextlib.suppress(ValueError):  # a lower hard limit set from outside holds anyway
        resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == _UNLIMITED else min(limit, hard), hard))
