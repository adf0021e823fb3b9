"""How long a swap holds the event loop of a recommend worker, in processor time.

    python -m tests.benchmarks.swap_holds [--items 100000]

No Kafka and no Redis: the parts of the recommend role that a swap works on, as the role calls them, timed by
the thread's processor time, which a busy machine does not change much. A list waits at most for the longest
hold: a batch of the new space's records, or the switch itself. Beside them: a list of the cascade before, and
the first list after the switch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models.cascade.cascade import Cascade
from models.cascade.person import Interaction, Person
from models.cascade.settings import CascadeSettings
from models.retrieval import ItemIndex
from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from workers.listed_spaces import _BATCH_RECORDS, _ROOM
from workers.space_coverage import Coverage
from workers.vectors_to_index import IndexUpdater

DIMENSION = 256
LISTS = 20
PEOPLE = 200


def records(items: int, seed: int) -> Iterator[bytes]:
    """The items of a space, as records of its topic."""
    random = np.random.default_rng(seed)
    born = datetime.now(UTC)
    for number in range(items):
        vector = random.standard_normal(DIMENSION)
        yield encode(
            ItemVector(
                item_id=f"item-{number}",
                version=ItemVersion(1, 0, number, 0),
                revision=1,
                vector=(vector / np.linalg.norm(vector)).astype("<f2").tobytes(),
                modalities=["text"],
                title=f"Item {number}",
                attributes={"category": f"c{number % 20}"},
                created_at=born,
            )
        )


def timed_ms(work: Callable[[], Any]) -> float:
    """The processor time of this thread that work takes, in ms."""
    began_s = time.thread_time()
    work()
    return 1_000 * (time.thread_time() - began_s)


def measure(items: int) -> dict[str, float]:
    """Swap once; what held the loop, in ms."""
    random = np.random.default_rng(1)
    old, new = ItemIndex(DIMENSION), ItemIndex(DIMENSION)
    old_updater, new_updater = IndexUpdater(old), IndexUpdater(new)
    for value in records(items, 2):
        old_updater.take(value)
    cascade = Cascade(old, CascadeSettings())
    now_ms = round(time.time() * 1_000)
    people = []
    for number in range(PEOPLE):
        ids = tuple(f"item-{one}" for one in random.integers(0, items, 20))
        times_ms = now_ms - np.arange(20, 0, -1) * 60_000
        weights = np.ones(20, np.float32)
        people.append(Person(f"person-{number}", ids, weights, times_ms, 20, 20, now_ms))
        cascade.observe(people[-1], Interaction(f"person-{number}", ids[0], "like", 1.0, now_ms))
    eligible = old.available.copy()

    def make(number: int) -> None:
        mask = eligible if cascade.index is old else new.available.copy()
        cascade.explain(people[number], cascade.rank(people[number], mask), range(20))

    make(0)  # what is made once
    before = [timed_ms(lambda number=number: make(number)) for number in range(1, LISTS)]  # type: ignore[misc]
    found = {"list before, median": float(np.median(before)), "list before, longest": max(before)}
    coverage: list[Coverage] = []

    def begin() -> None:
        coverage.append(Coverage(old_updater.held(), new_updater.held(), time.monotonic))
        new_updater.listeners = [coverage[0].touch]
        cascade.get_ready_for(new)
        new.reserve(round(_ROOM * old.rows))

    found["beginning"] = timed_ms(begin)
    batch: list[bytes] = []
    batches: list[float] = []

    def take() -> None:
        for value in batch:
            new_updater.take(value)
        cascade.get_ready_for(new)

    for value in records(items, 3):
        batch.append(value)
        if len(batch) == _BATCH_RECORDS:
            batches.append(timed_ms(take))
            batch.clear()
    take()
    assert coverage[0].behind == 0
    found["batch of the new space, median"] = float(np.median(batches))
    found["batch of the new space, p99"] = float(np.percentile(batches, 99))
    found["batch of the new space, longest"] = max(batches)
    found["warming up, beside the loop"] = timed_ms(lambda: new.warm_up(old.filtered_by))
    found["the switch"] = timed_ms(lambda: cascade.use_index(new))
    after = [timed_ms(lambda number=number: make(number)) for number in range(1, LISTS)]  # type: ignore[misc]
    found["first list after"] = after[0]
    found["list after, median"] = float(np.median(after))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    table = Table("held by", "processor time, ms", title=f"{items:,} items × {DIMENSION}")
    for what, value in measure(items).items():
        table.add_row(what, f"{value:,.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
