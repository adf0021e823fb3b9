"""However two topics interleave, repeat, and workers fail: each outcome once, as by brute force."""

from __future__ import annotations

import dataclasses

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.driver import SourcePartition
from streams.errors import DependencyDownError
from streams.messages import Outcome
from streams.records import Record
from tests.unit.workers.fakes import FakeDelivery
from tests.unit.workers.joining import (
    LISTS_UUID,
    PROFILES_UUID,
    TOPICS,
    Did,
    Expected,
    JoinBench,
    brute_force,
    expected_counts,
    happened,
    shown,
)
from workers.fenced import FenceStartPositions

ITEMS = ["lamp", "film", "boots", "song"]
USERS = ["anna", "ben"]
# Of minutes, so that some pairs are in the window of an hour and some are not.
GAPS_S = st.sampled_from([1.0, 30.0, 600.0, 2_400.0, 4_000.0])


@dataclasses.dataclass
class World:
    """What is in Kafka, in the order of each of two topics, and what it means."""

    lists: dict[str, list[tuple[str, tuple[str, ...], float]]]
    events: dict[str, list[Did]]
    topics: dict[str, list[Record]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Lists and events as they happen one after the other, with repeats as crashes of others leave them."""
    world = World({user: [] for user in USERS}, {user: [] for user in USERS}, {"lists": [], "events": []})
    seconds = 0.0
    for number in range(draw(st.integers(1, 14))):
        seconds += draw(GAPS_S)
        user = draw(st.sampled_from(USERS))
        lists, events = world.lists[user], world.events[user]
        kind = draw(st.sampled_from(["list", "list", "event", "event", "event", "list again", "event again"]))
        offsets = {topic: len(records) for topic, records in world.topics.items()}
        if kind == "list again" and lists:
            # Made anew after a crash: later, and it may hold other items. The first counts.
            again = (draw(st.sampled_from(lists))[0], tuple(draw(st.permutations(ITEMS))[:2]), seconds)
            lists.append(again)
            record = shown(*again, user=user, offset=offsets["lists"])
            world.topics["lists"].append(record)
        elif kind == "event again" and events:
            record = happened([draw(st.sampled_from(events))], user=user, offset=offsets["events"])
            world.topics["events"].append(record)
        elif kind.startswith("list"):
            made = (f"l{number}", tuple(draw(st.permutations(ITEMS))[: draw(st.integers(0, 3))]), seconds)
            lists.append(made)
            world.topics["lists"].append(shown(*made, user=user, offset=offsets["lists"]))
        else:
            names = [None, "unknown", *(one[0] for one in lists)]
            did = Did(
                f"e{number}",
                draw(st.sampled_from(ITEMS)),
                # A little in the past, as an event that was on its way.
                seconds - draw(st.sampled_from([0.0, 0.5])),
                draw(st.sampled_from(names)),
                action=draw(st.sampled_from(["click", "purchase", "dislike"])),
            )
            did = dataclasses.replace(
                did,
                weight=-2.0 if did.action == "dislike" else 1.0,
                delay_s=draw(st.sampled_from([0.0, 0.0, 0.0, 7_200.0])),
            )
            events.append(did)
            record = happened([did], user=user, offset=offsets["events"])
            # Kafka's own time does not jump: what was long on its way comes among what happens now.
            published = msgspec.structs.replace(
                record, timestamp_ms=record.timestamp_ms - round(did.delay_s * 1_000)
            )
            world.topics["events"].append(published)
    return world


class Cluster:
    """Two partitions with what is committed, and a worker that may fail at any point."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.committed = {"lists": 0, "events": 0}
        self.position = dict(self.committed)
        self.bench = JoinBench()

    async def restart(self) -> None:
        """Another process, from where something may still be owed."""
        self.bench = self.bench.restarted()
        sources = {
            "lists": SourcePartition(TOPICS.recommendations, LISTS_UUID, 0),
            "events": SourcePartition(TOPICS.profiles, PROFILES_UUID, 0),
        }
        committed = {source: self.committed[topic] for topic, source in sources.items()}
        starts = await FenceStartPositions("join", self.bench.store).positions(list(committed), committed)
        self.position = {topic: starts[source] for topic, source in sources.items()}

    async def work(self, topic_order: list[str], fails: bool, commits: bool) -> None:
        """A batch, its records in this order of topics."""
        batch: list[FakeDelivery] = []
        for topic in topic_order:
            if self.position[topic] < len(self.world.topics[topic]):
                batch.append(FakeDelivery(self.world.topics[topic][self.position[topic]]))
                self.position[topic] += 1
        if not batch:
            return
        self.bench.publisher.failures = int(fails)
        try:
            await self.bench.role.process(batch)
        except DependencyDownError:
            # The process dies: what it did in the state stays.
            self.bench.publisher.failures = 0
            await self.restart()
            return
        self.bench.publisher.failures = 0
        if commits:
            self.committed = dict(self.position)

    async def finish(self) -> None:
        """Read what is left, and wait until nothing waits."""
        while any(self.position[topic] < len(records) for topic, records in self.world.topics.items()):
            await self.work(["lists", "events"], fails=False, commits=True)
        await self.bench.sweep()
        await self.bench.sweep(1e6)


def distinct(outcomes: list[Outcome]) -> dict[tuple[str, str], Outcome]:
    """Outcomes as a reader knows them; those that repeat are the same."""
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        key = (outcome.recommendation_id, outcome.event_id)
        assert found.setdefault(key, outcome) == outcome
    return found


@settings(max_examples=300, deadline=None)
@given(world=worlds(), data=st.data())
async def test_each_outcome_once_however_topics_interleave_and_workers_die(
    world: World, data: st.DataObject
) -> None:
    cluster = Cluster(world)
    steps = data.draw(
        st.lists(
            st.tuples(
                st.lists(st.sampled_from(["lists", "events"]), min_size=1, max_size=4),
                st.booleans(),
                st.booleans(),
                st.sampled_from([False, False, True]),
            ),
            max_size=20,
        )
    )
    for order, fails, commits, restarts in steps:
        if restarts:
            await cluster.restart()
        await cluster.work(order, fails, commits)
    await cluster.finish()

    matches: list[Expected] = []
    totals: dict[str, float] = {}
    for user in USERS:
        own = brute_force(world.lists[user], world.events[user])
        matches += own
        for measure, amount in expected_counts(world.lists[user], world.events[user], own).items():
            totals[measure] = totals.get(measure, 0.0) + amount
    found = distinct(cluster.bench.outcomes)
    assert {
        (one.recommendation_id, one.event_id, one.position, one.matched_by) for one in found.values()
    } == {(one.recommendation_id, one.event_id, one.position, one.matched_by) for one in matches}
    assert await cluster.bench.counts() == totals
