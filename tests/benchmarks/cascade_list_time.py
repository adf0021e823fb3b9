"""Processor time of one event with the whole cascade on, without Kafka, on a synthetic catalogue.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.cascade_list_time --items 10000

20,000 events of 2,000 people on items around 200 centres are taken in, and the models of sources are trained
on them (`--untrained`: not, for a start). Then each event is learned from, as the learn role does, taken
in, and followed by a list of 20 with caps, diversity, a place for new items, exploration and reasons. With
`--user-model` each list is made once more without it, by turns before and after, so that what else the
machine does weighs on both alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from models.cascade import Interaction, Person
from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.lists import ListSettings, cascade_list
from models.cascade.settings import CascadeSettings, LearnSettings
from models.profile import Profile, ProfileEvent, TransitionSettings, apply_event, new_profile
from models.ranking import ListOrder, ListQuery
from models.ranking.eligibility import eligible_rows
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from models.user import UserModel
from models.user.sequence import SequenceUserModel
from workers.bench.catalogue import World

EVENTS = 20_000
PEOPLE = 2_000
LISTS = 300


def main() -> None:
    """Measure, and print percentiles in milliseconds of processor time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--untrained", action="store_true", help="without trained models of sources")
    parser.add_argument("--user-model", type=Path, help="folder of a trained user model of 256 dimensions")
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
    cascade = Cascade(index, CascadeSettings(user_model=options.user_model is not None))
    models: list[tuple[str, UserModel | None]] = [("list", None)]
    if options.user_model is not None:
        # Of whatever space: its time does not depend on what it says.
        user_model = SequenceUserModel(options.user_model)
        cascade.use_user_model(user_model)
        models = [("list", user_model), ("list without the user model", None)]
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
    learner = Learner(cascade, LearnSettings())
    if not options.untrained:
        started = time.process_time()
        learner.refit()
        print(f"training: {time.process_time() - started:.1f} s")
    taken_ms: dict[str, list[float]] = {name: [] for name in ("learn", "observe", *dict(models))}

    def timed(name: str, act: Callable[[], object]) -> None:
        started = time.process_time()
        act()
        taken_ms[name].append(1_000 * (time.process_time() - started))

    for number in range(LISTS):
        now_ms += 20_000
        event = world.event(begin + timedelta(milliseconds=now_ms - begin_ms))
        user_id, item_id = event.user_id, event.item_id
        before = profiles.get(user_id) or new_profile(user_id)
        person = Person.of(before, now_ms)
        interaction = Interaction(user_id, item_id, "like", 2.0, now_ms)
        eligible = eligible_rows(index, before, ListQuery())
        timed("learn", partial(learner.learn, person, interaction, eligible))
        timed("observe", partial(cascade.observe, person, interaction))
        happened = ProfileEvent(event.event_id, item_id, "like", now_ms)
        profiles[user_id], _ = apply_event(before, happened, TransitionSettings())
        order = ListOrder(profiles[user_id], ListQuery(count=20), now_ms, seed=number)
        for name, model in models if number % 2 else models[::-1]:
            # It also empties what is kept of the moment.
            cascade.use_user_model(model)
            timed(name, partial(cascade_list, index, cascade, order, settings))
        cascade.use_user_model(models[0][1])
    for name, each in taken_ms.items():
        p50, p95, p99 = np.percentile(each, [50, 95, 99])
        print(f"{options.items:,} items, {name}: p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms")
    if len(models) > 1:
        with_it, without = (np.array(taken_ms[name]) for name in dict(models))
        low, middle, high = np.percentile(with_it - without, [25, 50, 75])
        print(f"what the user model adds to a list: p25 {low:.2f}, p50 {middle:.2f}, p75 {high:.2f} ms")


if __name__ == "__main__":
    main()
