"""Lists and events on the real Kafka and Redis become outcomes, each once, though the role is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.records import Record
from tests.integration.stream.bench import SHORT_SESSIONS, Stream, event, item_ids
from tests.integration.stream.stack import Stack
from tests.unit.workers.joining import Did, brute_force, expected_counts, happened, shown
from workers.outcome_counts import Group, read_tally, tally_name

USERS = [f"user-{number}" for number in range(40)]
LISTS_EACH = 50
CATALOGUE = [f"item-{number}" for number in range(12)]
Lists = list[tuple[str, tuple[str, ...], float]]


@pytest.fixture
def stream(kafka: object, redis_server: object, topic_prefix: str, tmp_path: Path) -> Iterator[Stream]:
    servers, url = kafka.bootstrap_servers, redis_server.url  # type: ignore[attr-defined]
    # Waits end by what is read, not by the time that a busy machine takes for it.
    join = {"lists_per_user": 1_000, "window_hours": 1.0, "wait_s": 600.0}
    # Small batches, so that there is a middle in which to kill it.
    worker = {"batch_records": 50, "max_in_flight_records": 200}
    with Stream(servers, url, topic_prefix, tmp_path, kafka=SHORT_SESSIONS, join=join, worker=worker) as made:
        yield made


class History:
    """What people saw and did in the last half hour, as records of both topics."""

    def __init__(self) -> None:
        self._random = random.Random(11)
        # Within one day of UTC, as counts are by day.
        now = datetime.now(UTC)
        self.start = max(now - timedelta(minutes=30), now.replace(hour=0, minute=0, second=0, microsecond=0))
        self.lists: dict[str, Lists] = {user: [] for user in USERS}
        self.events: dict[str, list[Did]] = {user: [] for user in USERS}
        self.list_records: list[Record] = []
        self.event_records: list[Record] = []
        for number in range(LISTS_EACH):
            for place, user in enumerate(USERS):
                self._visit(user, number, number * 30.0 + place * 0.1)

    def _visit(self, user: str, number: int, seconds: float) -> None:
        """Somebody is shown a list, and does something with it, or with an item of an older one."""
        shown_items = (f"{user}/l{number}", tuple(self._random.sample(CATALOGUE, 4)), seconds)
        self.lists[user].append(shown_items)
        self._publish_list(user, shown_items)
        if self._random.random() < 0.1:
            self._publish_list(user, self._random.choice(self.lists[user]))
        named = self._random.choice([None, shown_items[0], shown_items[0], "unknown"])
        action = self._random.choice(["click", "click", "purchase", "dislike"])
        did = Did(
            f"{user}/e{number}",
            self._random.choice(CATALOGUE),
            seconds + 1.0,
            named,
            action=action,
            weight=-2.0 if action == "dislike" else 1.0,
        )
        self.events[user].append(did)
        again = [self._random.choice(self.events[user])] if self._random.random() < 0.1 else []
        self.event_records.append(happened([*again, did], user=user, version=number, start=self.start))

    def _publish_list(self, user: str, one: tuple[str, tuple[str, ...], float]) -> None:
        self.list_records.append(shown(*one, user=user, start=self.start))


def publish(stream: Stream, topic: str, records: list[Record]) -> None:
    futures = [
        stream.producer.send(topic, key=one.key, value=one.value, timestamp_ms=one.timestamp_ms)
        for one in records
    ]
    for future in futures:
        future.get(timeout=120)


def end_waits(stream: Stream, history: History) -> None:
    """An empty answer in each partition, newer than all else: what is not read by then is not there."""
    for partition in range(stream.settings.topics.user_partitions):
        name = f"newer-{partition}"
        record = shown(name, [], LISTS_EACH * 30.0 + 60.0, user=name, start=history.start)
        stream.producer.send(
            stream.names.recommendations,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            partition=partition,
        ).get(timeout=120)


def applied(stream: Stream) -> int:
    """Records of both topics that the role's state contains."""
    fences: dict[bytes, bytes] = stream.redis.hgetall(f"{stream.prefix}fence:join")  # type: ignore[assignment]
    return sum(map(int, fences.values()))


def await_applied(stream: Stream, records: int) -> None:
    deadline = time.monotonic() + 180
    while applied(stream) < records:
        assert time.monotonic() < deadline, (applied(stream), records, stream.log_of("join")[-3_000:])
        time.sleep(0.01)


def test_a_join_that_is_killed_loses_no_outcome_and_counts_none_twice(stream: Stream) -> None:
    history = History()
    total = len(history.list_records) + len(history.event_records)
    (worker,) = stream.start("join")
    # Events first: most are read before their lists.
    publish(stream, stream.names.profiles, history.event_records)
    # Some come only afterwards: however late it is killed, it is not at the end.
    most = len(history.list_records) * 9 // 10
    publish(stream, stream.names.recommendations, history.list_records[:most])
    for share in (0.2, 0.5, 0.8):
        await_applied(stream, round(share * total))
        stream.kill(worker)
        assert applied(stream) < total
        (worker,) = stream.start("join")
    publish(stream, stream.names.recommendations, history.list_records[most:])
    await_applied(stream, total)
    check(stream, history)


def test_joins_that_share_the_partitions_and_come_and_go(stream: Stream) -> None:
    history = History()
    half = len(history.list_records) // 2
    first, second = stream.start("join", "join")
    stream.await_started("join", 2)
    publish(stream, stream.names.recommendations, history.list_records[:half])
    publish(stream, stream.names.profiles, history.event_records)
    await_applied(stream, half)
    stream.kill(first)
    (third,) = stream.start("join")
    publish(stream, stream.names.recommendations, history.list_records[half:])
    stream.await_started("join", 3)
    await_applied(stream, round(0.8 * (len(history.list_records) + len(history.event_records))))
    second.terminate()
    await_applied(stream, len(history.list_records) + len(history.event_records))
    check(stream, history)
    assert second.wait(timeout=120) == 0
    assert third.poll() is None


def test_what_was_published_stays_when_redis_comes_back_empty(stream: Stream) -> None:
    history = History()
    total = len(history.list_records) + len(history.event_records)
    (worker,) = stream.start("join")
    publish(stream, stream.names.recommendations, history.list_records)
    publish(stream, stream.names.profiles, history.event_records)
    await_applied(stream, total)
    wanted = check(stream, history)
    stream.kill(worker)
    for key in stream.redis.scan_iter(f"{stream.prefix}*", count=1_000):
        stream.redis.delete(key)
    # Fewer lists are kept now than were: lists that are read long before their events are gone by then.
    stream.sections["join"]["lists_per_user"] = 2
    stream.start("join")
    await_applied(stream, total + stream.settings.topics.user_partitions)
    found = stream.read("outcomes", lambda found: len(found) >= len(wanted))
    assert {identity(one) for one in found} == wanted
    await_counts(stream, history)


def identity(outcome: dict[str, object]) -> tuple[object, ...]:
    return tuple(outcome[name] for name in ("recommendation_id", "event_id", "position", "matched_by"))


def check(stream: Stream, history: History) -> set[tuple[object, ...]]:
    """Every outcome is there once, and the counts are exact; the outcomes."""
    end_waits(stream, history)
    matches = [match for user in USERS for match in brute_force(history.lists[user], history.events[user])]
    wanted: set[tuple[object, ...]] = {
        (one.recommendation_id, one.event_id, one.position, one.matched_by) for one in matches
    }

    def are_complete(found: list[dict[str, object]]) -> bool:
        return len({(one["recommendation_id"], one["event_id"]) for one in found}) >= len(wanted)

    outcomes = stream.read("outcomes", are_complete, timeout_s=180)
    assert {identity(one) for one in outcomes} == wanted
    await_counts(stream, history)
    return wanted


def await_counts(stream: Stream, history: History) -> None:
    """What leads to no outcome is counted when its wait ends, after the last outcome perhaps."""
    wanted, base = totals(history), Group("base", "", "")
    deadline = time.monotonic() + 60
    while (found := counts(stream, history.start).get(base)) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.1)


def totals(history: History) -> dict[str, float]:
    """What the counts of all should be."""
    found: dict[str, float] = {}
    for user in USERS:
        own = brute_force(history.lists[user], history.events[user])
        for measure, amount in expected_counts(history.lists[user], history.events[user], own).items():
            found[measure] = found.get(measure, 0.0) + amount
    return found


def counts(stream: Stream, day: datetime) -> dict[Group, dict[str, float]]:
    """A day's sums in Redis, novelty aside."""
    key = f"{stream.prefix}tally:{tally_name(day.date())}"
    stored: dict[bytes, bytes] = stream.redis.hgetall(key)  # type: ignore[assignment]
    tally = read_tally({field.decode(): float(amount) for field, amount in stored.items()})
    return {
        group: {measure: amount for measure, amount in sums.items() if measure != "novelty_bits"}
        for group, sums in tally.items()
    }


def test_a_click_on_an_answer_becomes_an_outcome(stack: Stack, tag: str) -> None:
    names = [f"{tag}-{number}" for number in range(3)]
    for name in names:
        stack.publish_item(name, title=f"A lamp {name}", attributes={"tag": tag})
    stack.await_listed(tag, *names)
    answer = stack.ask(tag, filter={"tag": tag})
    clicked = item_ids(answer)[1]
    named = event(tag, f"{tag}-e1", clicked, recommendation_id=answer["recommendation_id"])
    stack.publish("events", named, tag)
    outcome = stack.outcomes.wait_for(lambda one: one["event_id"] == f"{tag}-e1")
    assert outcome["recommendation_id"] == answer["recommendation_id"]
    assert (outcome["item_id"], outcome["position"]) == (clicked, 2)
    assert (outcome["matched_by"], outcome["model"]) == ("recommendation_id", answer["model"])
    # Without an id: the newest list that holds the item, and its own answer ends the wait.
    stack.publish("events", event(tag, f"{tag}-e2", item_ids(answer)[0]), tag)
    by_item = stack.outcomes.wait_for(lambda one: one["event_id"] == f"{tag}-e2")
    assert by_item["matched_by"] == "item"
    stack.await_metric("join", "freshet_join_outcomes_total", lambda value: value >= 2, action="click")
    stack.await_metric("join", "freshet_join_covered_items", lambda value: value >= len(names))
