"""How long the longest look for near vectors takes while cells are made, and what is found.

    python -m tests.benchmarks.nearest_cells [--items 66000]

Looks at a new index of unit vectors 300 times, by processor time of the thread; then how many of the nearest
60 of all are found, for vectors in 300 groups and for vectors without any structure.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.retrieval import ItemIndex
from workers.cli.output import console, table

LOOKS, QUERIES, NEAREST, GROUPS = 300, 50, 60, 300
LEAST = 4_096
Vectors = NDArray[np.float32]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=66_000)
    items = parser.parse_args(argv).items
    random = np.random.default_rng(0)
    rows = []
    for name, vectors in (
        ("in groups", units(random, items, GROUPS)),
        ("without structure", units(random, items, 0)),
    ):
        index = ItemIndex()
        for number, vector in enumerate(vectors):
            index.upsert(f"i{number}", vector, created_at_ms=0)
        looks_ms = np.array([look_ms(index, vectors[0]) for _ in range(LOOKS)])
        queries = vectors[random.integers(items, size=QUERIES)] if name == "in groups" else None
        found = recall(index, units(random, QUERIES, 0) if queries is None else queries)
        rows.append(
            (name, f"{looks_ms.max():.1f}", f"{looks_ms.sum():.0f}", f"{looks_ms[-50:].mean():.2f}", found)
        )
    console().print(
        table(("vectors", "longest look, ms", "all, ms", "a look at the end, ms", "recall@60"), rows)
    )


def units(random: np.random.Generator, count: int, groups: int) -> Vectors:
    """Unit vectors, around so many centres; 0: anywhere. float32 [count, D]"""
    vectors = random.standard_normal((count, ItemIndex().dimension)).astype(np.float32)
    if groups:
        centres = random.standard_normal((groups, vectors.shape[1])).astype(np.float32)
        vectors = centres[np.arange(count) % groups] + 0.5 * vectors
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def look_ms(index: ItemIndex, direction: Vectors) -> float:
    """Processor time of one look."""
    begun = time.thread_time()
    index.near(direction, index.available, LEAST)
    return 1_000 * (time.thread_time() - begun)


def recall(index: ItemIndex, queries: Vectors) -> str:
    """The share of the nearest of all among the rows of a look, with as many rows as `interests` asks for."""
    shares = []
    for query in queries:
        rows = index.near(query, index.available, max(LEAST, index.rows // 32))
        nearest = np.argsort(-(index.vectors @ query))[:NEAREST]
        shares.append(np.isin(nearest, rows).mean())
    return f"{np.mean(shares):.2f}"


if __name__ == "__main__":
    main()
