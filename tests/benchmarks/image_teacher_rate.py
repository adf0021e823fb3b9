"""Pictures a second of the image encoder beside its teacher, in one run.

    python -m tests.benchmarks.image_teacher_rate --data DIR --weights DIR [--encoder FOLDER]

DIR of `--weights` holds mobilenet_v1_embedding.onnx, which does not ship. Photographs of clothing, decoded;
processor time on one thread; five rounds, turn about, the medians. `network`: pixels of the right size to
vectors, both in batches of 16 and one by one, of which the faster counts. `with resizing`: photographs of at
most 160 px to vectors, each resized as its network was trained.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from models.encoders.image import ImageEncoder
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.encoders.session import SessionSettings
from models.onnx_runtime import ort
from models.preprocessing.image import fit_square
from models.training.image import BILINEAR, NAME, TEACHER_PX
from models.training.labelled_media import read_clothing
from workers.cli.output import console, table

PICTURES = 32
BATCHES = (1, 16)
ROUNDS = 5

Encode = Callable[[Any], Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds clothing")
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the teacher's ONNX file")
    parser.add_argument("--encoder", type=Path, default=BUNDLED_FOLDER / NAME, help="folder of an encoder")
    arguments = parser.parse_args(argv)
    student = load_encoder(arguments.encoder, SessionSettings(threads=1))
    assert isinstance(student, ImageEncoder)
    teacher = _teacher(arguments.weights / "mobilenet_v1_embedding.onnx")
    photographs = read_clothing(arguments.data).items[:PICTURES]

    def small(some: Sequence[Any]) -> Any:
        return [fit_square(one, student.size_px, "stretch") for one in some]

    def large(some: Sequence[Any]) -> Any:
        return np.stack([np.asarray(one.resize((TEACHER_PX, TEACHER_PX), BILINEAR)) for one in some])

    def ours(some: Sequence[Any]) -> Any:
        return student.encode(small(some))

    def theirs(some: Sequence[Any]) -> Any:
        return teacher(large(some))

    rows = []
    for what, pairs in (
        ("network", ((student.encode, small(photographs)), (teacher, large(photographs)))),
        ("with resizing", ((ours, photographs), (theirs, photographs))),
    ):
        mine, its = _rates(pairs)
        rows.append((what, round(mine, 1), round(its, 1), round(mine / its, 1)))
    console().print(table(("images a second", student.name, "teacher", "ratio"), rows))


def _teacher(path: Path) -> Encode:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options)
    return lambda pixels: session.run(["embedding"], {"image": pixels})[0]


def _rates(pairs: Sequence[tuple[Encode, Any]]) -> list[float]:
    """Pictures a second of each (function, pictures), in the batches that suit it best."""
    works = [[partial(_in_batches, encode, given, size) for size in BATCHES] for encode, given in pairs]
    seconds: list[list[list[float]]] = [[[] for _ in sizes] for sizes in works]
    for sizes in works:
        for work in sizes:
            work()
    for _ in range(ROUNDS):
        for sizes, taken in zip(works, seconds, strict=True):
            for work, found in zip(sizes, taken, strict=True):
                began_s = time.process_time()
                work()
                found.append(time.process_time() - began_s)
    return [PICTURES / min(median(found) for found in taken) for taken in seconds]


def _in_batches(encode: Encode, given: Any, size: int) -> None:
    for start in range(0, len(given), size):
        encode(given[start : start + size])


if __name__ == "__main__":
    main()
