"""Runs the parts of the benchmark one after the other, each in servers and workers of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

from workers.bench.rows import Row
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment

Size = Literal["tiny", "short", "long"]

# Part: where it is, and what it measures in a line. A module holds a function `measure`.
PARTS = {
    "throughput": ("workers.bench.throughput", "Records/s of each role, beside a plain aiokafka loop."),
    "latency": ("workers.bench.latency", "Event due to list read, at fixed rates and sizes of catalogue."),
    "freshness": ("workers.bench.freshness", "Item published to recommendable, by modality."),
    "encode": ("workers.bench.encode", "Items/s of each encoder, beside bare ONNX Runtime."),
    "retrieval": ("workers.bench.retrieval", "Time and recall of retrieval, beside an exact search."),
    "memory": ("workers.bench.memory", "Bytes a person and an item, in Redis and in a worker."),
    "scaling": ("workers.bench.scaling", "Events/s of one, two and three workers."),
    "recovery": ("workers.bench.recovery", "Until lists come again, after a kill and after a full restart."),
}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every part is given.

    Attributes:
        size: `short`: ten minutes a part on two cores; `long`: the full sizes; `tiny`: to see that it runs.
        flags: Settings of the workers.
        config: The settings file, where it is not freshet.toml in the working folder.
        say: Told what happens, in lines for a person.
    """

    size: Size
    flags: Flags
    config: Path | None = None
    say: Callable[[str], None] = lambda line: None

    def sized(self, *, tiny: T, short: T, long: T) -> T:
        """What goes with the size."""
        match self.size:
            case "tiny":
                return tiny
            case "short":
                return short
            case "long":
                return long

    @contextmanager
    def deployment(
        self, workers: Mapping[str, int], flags: Mapping[str, Any] | None = None, folder: Path | None = None
    ) -> Iterator[LocalDeployment]:
        """Kafka, Redis and these workers of its own; nothing is left behind, unless a folder is given.

        Servers that the settings name are left alone: a benchmark would fill them.
        """
        with TemporaryDirectory(prefix="freshet-bench-", ignore_cleanup_errors=True) as temporary:
            deployment = LocalDeployment(
                flags=merged(self.flags, flags or {}),
                config=self.config,
                data_folder=folder or Path(temporary),
                workers=workers,
            )
            with deployment:
                yield deployment


def run_parts(
    names: Sequence[str],
    bench: Bench,
    on_rows: Callable[[str, Sequence[Row]], None],
    on_failure: Callable[[str, Exception], None],
) -> None:
    """Measure parts. One that fails, also by a defect, costs itself alone: others may have run for hours.

    Args:
        names: Of `PARTS`.
        on_rows: Given the rows of each part when it ends.
        on_failure: Given what a part failed with.
    """
    for name in names:
        module, description = PARTS[name]
        bench.say(f"{name}: {description}")
        try:
            rows = import_module(module).measure(bench)
        except Exception as error:
            on_failure(name, error)
        else:
            on_rows(name, rows)
