"""How long retrieval takes in vectors of real text, and what share of the nearest 50 it finds.

    python -m tests.benchmarks.nearest_text --text SOURCES [--items 100000] [--least 2048 4096] [--cache FILE]

SOURCES is what the text encoder is trained on, see docs/guide/encoders.md; it may hold some of it alone, then
with an empty ``gsm8k/train.jsonl``. Passages are encoded by the bundled text encoder; 300 others are the
queries. Times are of the thread's processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.retrieval import ItemIndex
from models.retrieval.dot_products import dot_products
from models.retrieval.neighbourhoods import least_near
from models.sources.proposals import best_rows
from models.training.text_passages import read_passages
from streams.settings import Settings
from workers.cli.output import console, table

NEAREST, QUERIES, AT_ONCE = 50, 300, 512
Vectors = NDArray[np.float32]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000])
    parser.add_argument("--least", type=int, nargs="+", help="vectors that a search looks at")
    parser.add_argument("--cache", type=Path, help="where vectors are kept, as .npy")
    arguments = parser.parse_args(argv)
    made = text_vectors(arguments.text, arguments.cache)
    lines = []
    for items in arguments.items:
        vectors, queries = made[:items], made[-QUERIES:]
        if items > len(made) - QUERIES:
            parser.error(f"there are {len(made):,} passages, and {QUERIES} of them are queries")
        index = ItemIndex(made.shape[1])
        for number, vector in enumerate(vectors):
            index.upsert(f"i{number}", vector, created_at_ms=0)
        begun = time.thread_time()
        index.warm_up(())
        made_s = time.thread_time() - begun
        nearest = [np.argsort(-(vectors @ query))[:NEAREST] for query in queries]
        for least in arguments.least or [least_near(NEAREST)]:
            taken_ms, found = [], []
            for query, best in zip(queries, nearest, strict=True):
                begun = time.thread_time()
                rows = search(index, query, least)
                taken_ms.append(1_000 * (time.thread_time() - begun))
                found.append(np.isin(best, rows).mean())
            median = f"{np.median(taken_ms):.2f}"
            lines.append((f"{items:,}", f"{made_s:.1f}", f"{least:,}", median, f"{np.mean(found):.3f}"))
    console().print(table(("items", "cells made, s", "vectors looked at", "p50, ms", "recall@50"), lines))


def text_vectors(folder: Path, cache: Path | None) -> Vectors:
    """Of each passage, float32 [passages, D]; from the cache where it is there."""
    if cache is not None and cache.exists():
        return np.asarray(np.load(cache), np.float32)
    encoder = load_encoder(BUNDLED_FOLDER / Settings().encoders.text)
    texts = read_passages(folder, seed=0).texts
    vectors = np.concatenate(
        [encoder.encode(texts[begin : begin + AT_ONCE]) for begin in range(0, len(texts), AT_ONCE)]
    )
    if cache is not None:
        np.save(cache, vectors)
    return np.asarray(vectors, np.float32)


def search(index: ItemIndex, query: Vectors, least: int) -> NDArray[np.int64]:
    """The nearest, as `models.sources.interests` finds them, with so many vectors looked at."""
    rows = index.near(query, index.available, least)
    near = dot_products(index.vectors, rows, query)
    return rows[best_rows(near, index.hashes[rows], np.arange(len(rows)), NEAREST)]


if __name__ == "__main__":
    main()
