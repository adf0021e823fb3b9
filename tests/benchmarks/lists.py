"""Milliseconds a list, bytes an item and events a second of a profile, on one thread.

    python tests/benchmarks/lists.py [--items 1000 10000 100000] [--repeat 40] [--json]

Items have random unit vectors of 256, a category, a price and two tags; people have a history of 50 of
them. Each figure is the median of ``--repeat`` calls, with processor time beside it: where other
processes take the cores, that is what the code itself needs. Memory is what the resident set grew by.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from models.profile import (
    Profile,
    ProfileEvent,
    SourcePosition,
    TransitionSettings,
    apply_event,
    apply_events,
    decode_profile,
    encode_profile,
    new_profile,
)
from models.ranking import ListQuery, RankingSettings, make_list, make_lists
from models.retrieval import FilterRange, ItemIndex

DIMENSION = 256
NOW_MS = 1_760_000_000_000
TRANSITIONS = TransitionSettings()
RANKING = RankingSettings()


def resident_bytes() -> int:
    """The resident set of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def timed(call: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Median (elapsed, processor) seconds of a call."""
    call()
    elapsed, processor = [], []
    for _ in range(repeat):
        begin, begin_processor = time.perf_counter(), time.process_time()
        call()
        elapsed.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_processor)
    return sorted(elapsed)[repeat // 2], sorted(processor)[repeat // 2]


def profile_with(history: int, items: int, user: int = 0) -> Profile:
    """A person who clicked ``history`` items, one an hour."""
    random = np.random.default_rng(user)
    events = [
        ProfileEvent(f"event-{k:06}", f"item-{random.integers(items):06}", "click", NOW_MS - 3_600_000 * k)
        for k in range(history)
    ]
    return apply_events(new_profile(f"user-{user}"), events, TRANSITIONS)[0]


def filled_index(items: int) -> tuple[ItemIndex, dict[str, float]]:
    """An index, with the time and memory that filling it took."""
    random = np.random.default_rng(0)
    index = ItemIndex(DIMENSION)
    before, seconds = resident_bytes(), 0.0
    for begin in range(0, items, 1_000):
        vectors = random.standard_normal((1_000, DIMENSION), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        started = time.perf_counter()
        for number, vector in enumerate(vectors[: items - begin], begin):
            index.upsert(
                f"item-{number:06}",
                vector,
                created_at_ms=NOW_MS - number * 60_000,
                attributes={
                    "category": f"c{number % 20}",
                    "price": float(number % 500),
                    "tags": [f"t{number % 7}", f"u{number % 11}"],
                },
                popularity=float(number % 97),
            )
        seconds += time.perf_counter() - started
    return index, {
        "µs an upsert": 1e6 * seconds / items,
        "bytes an item": (resident_bytes() - before) / items,
    }


def list_figures(items: int, repeat: int) -> dict[str, float]:
    """What lists from an index of this size take, in milliseconds."""
    index, figures = filled_index(items)
    people = [profile_with(50, items, user) for user in range(16)]
    first = people[0]
    narrow = ListQuery(filter={"category": ["c3", "c4"], "price": FilterRange(1, 400)})
    started = time.perf_counter()
    make_list(index, first, ListQuery(filter={**narrow.filter, "tags": "t2"}), NOW_MS, RANKING)
    figures["first filter"] = 1e3 * (time.perf_counter() - started)
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "list": (lambda: make_list(index, first, ListQuery(), NOW_MS, RANKING), 1),
        "list for a stranger": (lambda: make_list(index, None, ListQuery(), NOW_MS, RANKING), 1),
        "list of 500": (lambda: make_list(index, first, ListQuery(count=500), NOW_MS, RANKING), 1),
        "category and price": (lambda: make_list(index, first, narrow, NOW_MS, RANKING), 1),
        "tag": (lambda: make_list(index, first, ListQuery(filter={"tags": "t2"}), NOW_MS, RANKING), 1),
        "16 lists at once, each": (
            lambda: make_lists(index, [(one, ListQuery()) for one in people], NOW_MS, RANKING),
            16,
        ),
    }
    for name, (call, lists) in calls.items():
        elapsed, processor = timed(call, repeat)
        figures[name], figures[f"{name} (processor)"] = 1e3 * elapsed / lists, 1e3 * processor / lists
    return figures


def profile_figures(repeat: int) -> dict[str, float]:
    """Events a second of one profile, by how many came before."""
    figures: dict[str, float] = {}
    for history in (0, 20, 200, 5_000):
        before = profile_with(history, 100_000)
        events = [
            ProfileEvent(f"e{k}", f"new-{k}", "click", NOW_MS + k, None, SourcePosition("topic", 0, k))
            for k in range(1_000)
        ]

        def one_by_one(before: Profile = before, events: list[ProfileEvent] = events) -> None:
            for event in events:
                apply_event(before, event, TRANSITIONS)

        encoded = encode_profile(before)
        figures[f"events/s of processor time after {history}"] = 1_000 / timed(one_by_one, repeat)[1]
        figures[f"bytes after {history}"] = len(encoded)
        coding = timed(lambda encoded=encoded: encode_profile(decode_profile(encoded)), repeat)[0]
        figures[f"µs to decode and encode after {history}"] = 1e6 * coding
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lists = {items: list_figures(items, arguments.repeat) for items in arguments.items}
    profiles = profile_figures(arguments.repeat)
    if arguments.json:
        print(json.dumps({"lists_ms": lists, "profiles": profiles}, indent=2))
        return
    table = Table("lists, ms", *(f"{items:,} items" for items in lists))
    for name in next(iter(lists.values())):
        table.add_row(name, *(f"{figures[name]:.2f}" for figures in lists.values()))
    console = Console()
    console.print(table)
    console.print(*(f"{name}: {figure:,.0f}" for name, figure in profiles.items()), sep="\n")


if __name__ == "__main__":
    main()
