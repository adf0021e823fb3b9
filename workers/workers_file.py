"""Which workers run, and where their health endpoints are, in a file beside the data of `freshet up`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

FILE_NAME = "workers.json"


class RunningWorker(msgspec.Struct, frozen=True):
    """A worker and its health endpoint."""

    name: str
    role: str
    url: str


class RunningWorkers(msgspec.Struct, frozen=True):
    """The workers of a deployment."""

    bootstrap_servers: str
    prefix: str
    workers: tuple[RunningWorker, ...]


_decoder = msgspec.json.Decoder(RunningWorkers)


def write_workers_file(
    path: Path, bootstrap_servers: str, prefix: str, workers: Sequence[RunningWorker]
) -> None:
    """Replace the file in one step: a reader finds the old or the new one."""
    content = msgspec.json.encode(RunningWorkers(bootstrap_servers, prefix, tuple(workers)))
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def read_workers_file(path: Path) -> RunningWorkers | None:
    """What the file says; None where it is not there or broken."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
