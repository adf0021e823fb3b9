"""Processor time of one list with the whole cascade on, without Kafka, on a synthetic catalogue.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.cascade_list_time --items 10000

20,000 events of 2,000 people on items around 200 centres are taken in; then lists of 20 are made with caps,
diversity, a place for new items, exploration and reasons. Models of sources are not trained here.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from models.cascade import Interaction, Person
from models.cascade.cascade import Cascade
from models.cascade.lists import ListSettings, cascade_list
from models.cascade.settings import CascadeSettings
from models.profile import Profile, ProfileEvent, TransitionSettings, apply_event, new_profile
from models.ranking import ListOrder, ListQuery
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from workers.bench.catalogue import World

EVENTS = 20_000
PEOPLE = 2_000
LISTS = 200


def main() -> None:
    """Measure, and print percentiles in milliseconds of processor time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    options = parser.parse_args()
    index = ItemIndex()
    world = World(options.items, index.dimension, PEOPLE)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    begin_ms = round(begin.timestamp() * 1_000)
    for number, vector in enumerate(world.item_vectors):
        index.upsert(
            f"item-{number}",
            vector.astype(np.float32),
            created_at_ms=begin_ms,
            attributes={"category": f"c{world.centre_of[number] % 20}"},
        )
    cascade = Cascade(index, CascadeSettings())
    profiles: dict[str, Profile] = {}
    now_ms = begin_ms
    started = time.process_time()
    for number in range(EVENTS):
        event = world.event(begin + timedelta(seconds=20 * number))
        user_id, item_id = event.user_id, event.item_id
        now_ms = begin_ms + 20_000 * number
        before = profiles.get(user_id) or new_profile(user_id)
        cascade.observe(Person.of(before, now_ms), Interaction(user_id, item_id, "like", 2.0, now_ms))
        happened = ProfileEvent(event.event_id, item_id, "like", now_ms)
        profiles[user_id], _ = apply_event(before, happened, TransitionSettings())
    print(f"taking an event in: {1_000 * (time.process_time() - started) / EVENTS:.2f} ms")
    settings = ListSettings(
        rerank=RerankSettings(
            diversity=0.1, max_per_attribute={"category": 8}, new_item_slots=1, exploration="epsilon"
        )
    )
    taken_ms = []
    for number, profile in enumerate(list(profiles.values())[:LISTS]):
        order = ListOrder(profile, ListQuery(count=20), now_ms + number, seed=number)
        started = time.process_time()
        cascade_list(index, cascade, order, settings)
        taken_ms.append(1_000 * (time.process_time() - started))
    p50, p95, p99 = np.percentile(taken_ms, [50, 95, 99])
    print(f"{options.items:,} items, a list: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
