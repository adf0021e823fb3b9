"""Part (e): time and recall of the 50 items nearest to a vector of taste, beside an exact search.

Both search the same unit vectors with the same queries, one at a time, on one thread of this process. Vectors
are made up: in groups, or about as hard to search as those of real text. The baseline is an exact search of a
bare float32 matrix in NumPy: product, partition, sort. Under changes, each query comes after ten items were
put in or moved and two were taken out, and recall is against an exact search of what is there at that moment;
its baseline for the time of a change is an assignment to the bare matrix.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.retrieval import ItemIndex
from models.retrieval.neighbourhoods import is_large
from models.sources.interests import best_near
from models.sources.proposals import best_rows
from workers.bench.catalogue import clustered_vectors, textlike_vectors
from workers.bench.percentiles import label, median, percentile
from workers.bench.rows import Row, Setting, row
from workers.bench.run import Bench

COUNT = 50
CASES = (("in groups", 128), ("in groups", 256), ("text-like", 128))
PUT_PER_QUERY = 10
REMOVED_PER_QUERY = 2
_NOW_MS = 1_760_000_000_000

Vectors = NDArray[np.float32]
T = TypeVar("T")
_MAKERS = {"in groups": clustered_vectors, "text-like": textlike_vectors}


def nearest(index: ItemIndex, query: Vectors, count: int) -> list[str]:
    """What Freshet does for each interest of a person: a scan, or one of the nearest cells of many items."""
    if is_large(index.rows):
        rows = best_near(index, query, index.available, count)
    else:
        scores = np.vecdot(index.vectors, query)
        rows = best_rows(scores, index.hashes, index.available.nonzero()[0], count)
    return [index.item_id(row_number) for row_number in rows.tolist()]


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    sizes = bench.sized(tiny=(1_000,), short=(10_000, 100_000), long=(10_000, 100_000, 1_000_000))
    queries = bench.sized(tiny=10, short=200, long=1_000)
    rows: list[Row] = []
    for items in sizes:
        for kind, dimension in CASES:
            bench.say(f"  {items:,} vectors of {dimension}, {kind}")
            rows += _rows(kind, items, dimension, queries)
    return rows


def _rows(kind: str, items: int, dimension: int, queries: int) -> list[Row]:
    random = np.random.default_rng(11)
    made, _ = _MAKERS[kind](items + queries, dimension, random)
    vectors, asked = made[:items], made[items:]
    index = ItemIndex(dimension)
    started_s = time.perf_counter()
    for number, vector in enumerate(vectors):
        index.upsert(f"item-{number}", vector, created_at_ms=_NOW_MS)
    put_us = 1e6 * (time.perf_counter() - started_s) / items
    # As a worker does before its first list.
    index.warm_up(())
    setting: Setting = {"items": items, "dimension": dimension, "vectors": kind, "count": COUNT}
    found_ms, exact_ms, recalls = [], [], []
    for query in asked:
        taken_ms, found = _timed(lambda query=query: nearest(index, query, COUNT))  # type: ignore[misc]
        found_ms.append(taken_ms)
        taken_ms, best = _timed(lambda query=query: _exact(vectors, query, COUNT))  # type: ignore[misc]
        exact_ms.append(taken_ms)
        recalls.append(len({f"item-{number}" for number in best.tolist()} & set(found)) / COUNT)
    bare = np.empty_like(vectors)
    started_s = time.perf_counter()
    for number, vector in enumerate(vectors):
        bare[number] = vector
    assign_us = 1e6 * (time.perf_counter() - started_s) / items
    return [
        *(
            row(
                f"retrieval_{label(share)}",
                percentile(found_ms, share),
                "ms",
                percentile(exact_ms, share),
                setting,
            )
            for share in (0.5, 0.99)
        ),
        row("recall", sum(recalls) / len(recalls), f"recall@{COUNT}", 1.0, setting),
        row("put", put_us, "µs/item", assign_us, setting),
        *_under_changes(index, asked, median(exact_ms), setting, random),
    ]


def _under_changes(
    index: ItemIndex,
    asked: Vectors,
    exact_ms: float,
    setting: Setting,
    random: np.random.Generator,
) -> list[Row]:
    items, make = int(setting["items"]), _MAKERS[str(setting["vectors"])]
    taken, recalls = [], []
    for number, query in enumerate(asked):
        moved, _ = make(PUT_PER_QUERY, index.dimension, random)
        # The first is near to what is asked for: an index that is behind would miss it.
        moved[0] = query
        for place, vector in enumerate(moved):
            known = place % 2 == 1
            item_id = f"item-{random.integers(items)}" if known else f"new-{number}-{place}"
            index.upsert(item_id, vector, created_at_ms=_NOW_MS)
        for gone in nearest(index, query, 40)[1 : 1 + REMOVED_PER_QUERY]:
            # Among the nearest, so that one that is still found counts against the recall.
            index.remove(gone)
        taken_ms, found = _timed(lambda query=query: nearest(index, query, COUNT))  # type: ignore[misc]
        taken.append(taken_ms)
        live = np.flatnonzero(index.live)
        best = live[_exact(index.vectors[live], query, COUNT)]
        recalls.append(len({index.item_id(at) for at in best.tolist()} & set(found)) / COUNT)
    setting = {**setting, "put_per_query": PUT_PER_QUERY, "removed_per_query": REMOVED_PER_QUERY}
    return [
        row("retrieval_under_changes_p50", median(taken), "ms", exact_ms, setting),
        row("recall_under_changes", sum(recalls) / len(recalls), f"recall@{COUNT}", 1.0, setting),
    ]


def _exact(vectors: Vectors, query: Vectors, count: int) -> NDArray[np.int64]:
    scores = vectors @ query
    best = np.argpartition(scores, -count)[-count:]
    return best[np.argsort(-scores[best], kind="stable")]


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    started_s = time.perf_counter()
    result = call()
    return 1e3 * (time.perf_counter() - started_s), result
