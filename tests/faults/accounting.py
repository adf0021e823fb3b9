"""What must hold when the faults are over: every message accounted for, every effect once.

Each check compares what Freshet left, in Redis and in its topics, with what follows from the topics that were
written to it. None of them asks Freshet's own code what it has done.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from streams.topics import TOPICS
from tests.faults.check import Check
from tests.faults.item_vectors import ItemVectors
from tests.faults.load import BROKEN_EVERY, number_from
from tests.faults.next_release import VALUE
from tests.faults.popularity_books import popularity
from tests.faults.profile_books import profiles_in_redis, profiles_in_topic
from tests.faults.reading import Json, ask, in_time, read_reference, read_topic
from tests.faults.reference_outcomes import Outcomes, ShownList, expected_outcomes, shown_list
from tests.faults.world import PREFIX, World

ASKED_PEOPLE = 40


@dataclass
class Books:
    """All that is compared.

    Args:
        seed: Of the load.
        acknowledged: Kafka has acknowledged every event below this number, but for those of `unsure`.
        unsure: First and next number of what was in the producer's hands when an earlier run was stopped.
        was_emptied: Redis lost its data: popularity is restored as far as histories reach then.
        models_failed: Networks were made to fail: `model_failed` is a dead letter then, and no other.
        had_releases: Workers of the next release ran, too: what they wrote must be there.
    """

    world: World
    seed: int
    acknowledged: int
    unsure: Sequence[tuple[int, int]]
    was_emptied: bool
    models_failed: bool
    had_releases: bool = False

    def check(self, say: Callable[[str], None] = lambda line: None) -> list[Check]:
        """Every check."""
        say("reading the events")
        self._reference = read_reference(self._servers, self.world.names.events)
        say("reading what came of them")
        self._letters = [json.loads(value) for _, _, value in self._read("dead-letters") if value]
        self._lists: list[Json] = []
        self._shown: dict[str, ShownList] = {}
        # A repeat may differ, and may be in a partition that was added later: the first in time counts.
        for record in in_time(read_topic(self._servers, self.world.names.recommendations)):
            one = json.loads(record.value)
            self._lists.append(one)
            self._shown.setdefault(one["recommendation_id"], shown_list(one, record.timestamp))
        checks: list[Check] = []
        for one in (
            self._published,
            self._profiles,
            self._profiles_topic,
            self._dead_letters,
            self._live_lists,
            self._requests,
            self._items,
            self._popularity,
            self._outcomes,
            *([self._releases] if self.had_releases else []),
            # The last, as it asks for lists.
            self._withdrawn,
        ):
            say(f"checking {one.__name__.strip('_').replace('_', ' ')}")
            checks.append(one())
        return checks

    # Events

    def _published(self) -> Check:
        """What Kafka has acknowledged is in the topic."""
        ids = self._reference.event_ids
        missing = [
            number
            for number in range(self.acknowledged)
            if f"e-{number}" not in ids
            and number_from(self.seed, "event", number) % BROKEN_EVERY
            and not any(begin <= number < end for begin, end in self.unsure)
        ]
        return Check(
            "every acknowledged event is in the topic",
            not missing,
            {"acknowledged": self.acknowledged, "missing": len(missing)},
        )

    def _profiles(self) -> Check:
        with self.world.redis_client() as redis:
            return profiles_in_redis(self._reference.profiles, redis, PREFIX)

    def _profiles_topic(self) -> Check:
        return profiles_in_topic(self._reference.profiles, (value for _, _, value in self._read("profiles")))

    def _dead_letters(self) -> Check:
        """A dead letter for each broken event, and for nothing else."""
        events = self.world.names.events
        of_events = {
            (letter["source"]["partition"], letter["source"]["offset"])
            for letter in self._letters
            if letter["source"]["topic"] == events
        }
        others = Counter(
            f"{letter['stage']} {letter['reason']}"
            for letter in self._letters
            if letter["source"]["topic"] != events
        )
        allowed = {"model_failed"} if self.models_failed else set()
        unexpected = sum(count for what, count in others.items() if what.split(" ")[1] not in allowed)
        broken = self._reference.broken
        return Check(
            "a dead letter for each broken event, and for nothing else",
            of_events == broken and not unexpected,
            {
                "broken": len(broken),
                "missing": len(broken - of_events),
                "of_good_events": len(of_events - broken),
                "others": dict(others),
            },
        )

    # Lists

    def _live_lists(self) -> Check:
        """Each person's last event of the moment is covered by a list, in whatever session it was."""
        versions: dict[str, int] = defaultdict(int)
        for one in self._lists:
            versions[one["user_id"]] = max(versions[one["user_id"]], one["profile_version"])
        people = {name: one for name, one in self._reference.profiles.items() if one.last_live_version}
        # An event's version is known where the order is. Of the others `quiet at the end` knows.
        live = {name: one.last_live_version for name, one in people.items() if one.is_ordered}
        missing = [name for name, version in live.items() if versions[name] < version]
        return Check(
            "every live event is covered by a list",
            None if people and not live else not missing,
            {
                "people": len(live),
                "not_compared": len(people) - len(live),
                "missing": len(missing),
                "lists": len(self._lists),
            },
        )

    def _requests(self) -> Check:
        """Every request has an answer, and one kind of it."""
        kinds: dict[str, set[bool]] = defaultdict(set)
        for one in self._lists:
            if one["cause"]["kind"] == "request":
                kinds[one["cause"]["id"]].add(bool(one["items"]))
        asked = {
            json.loads(value)["request_id"]
            for _, _, value in self._read("recommendation-requests")
            if value is not None
        }
        missing, mixed = asked - set(kinds), [one for one, found in kinds.items() if len(found) > 1]
        return Check(
            "every request has one kind of answer",
            not missing and not mixed and bool(asked),
            {"requests": len(asked), "unanswered": len(missing), "of_two_kinds": len(mixed)},
        )

    # Items

    def _items(self) -> Check:
        """The newest vector of every item is of its newest message; a withdrawn one has none."""
        wanted: dict[str, Json | None] = {}
        for key, _, value in self._read("items"):
            wanted[key] = None if value is None else json.loads(value)
        failed = {letter["source"]["key"] for letter in self._letters if letter["reason"] == "model_failed"}
        vectors = ItemVectors()
        for record in read_topic(self._servers, self.world.names.item_vectors(self.world.space)):
            vectors.take(record.key.decode(), record.value, dict(record.headers))
        found = vectors.held
        wrong: dict[str, str] = {}
        for item_id, item in wanted.items():
            vector = found.get(item_id)
            if (item is None) != (vector is None):
                wrong[item_id] = "withdrawn" if item is None else "not there"
            elif item is not None:
                modalities = {"text", *(one["kind"] for one in item.get("media", ()))}
                if vector.title != item["title"]:
                    wrong[item_id] = f"{vector.title}, not {item['title']}"
                elif set(vector.modalities) != modalities and item_id not in failed:
                    wrong[item_id] = f"made of {vector.modalities}, not {sorted(modalities)}"
        return Check(
            "every item is as it was last published",
            not wrong and not vectors.differing,
            {
                "items": len(wanted),
                "same_revision_of_two_kinds": len(vectors.differing),
                "older_after_newer": len(vectors.outdated),
                "withdrawn": sum(item is None for item in wanted.values()),
                "models_failed_on": len(failed),
                "wrong": len(wrong),
                "first_wrong": dict(list(wrong.items())[:3]),
            },
        )

    def _withdrawn(self) -> Check:
        """Lists made now hold no withdrawn item, and hold what is there."""
        gone = {key for key, value in _last(self._read("items")).items() if value is None}
        lists = ask(self.world, sorted(self._reference.profiles)[:ASKED_PEOPLE])
        listed = [item["item_id"] for one in lists for item in one["items"] if item["item_id"] in gone]
        return Check(
            "no list made at the end holds a withdrawn item",
            not listed and len(lists) == min(ASKED_PEOPLE, len(self._reference.profiles)),
            {"withdrawn": len(gone), "lists": len(lists), "listed": len(listed)},
        )

    def _popularity(self) -> Check:
        with self.world.redis_client() as redis:
            stored: Any = redis.hgetall(f"{PREFIX}popularity")
        return popularity(self._reference, stored, was_emptied=self.was_emptied)

    def _outcomes(self) -> Check:
        """The outcomes are those of lists and events, one an event, and the live counts are those of both."""
        settings = self.world.settings.join
        must, may = expected_outcomes(
            self._shown,
            self._reference.live,
            window=timedelta(hours=settings.window_hours),
            lists_per_user=settings.lists_per_user,
        )
        found: Outcomes = {}
        of_event: dict[str, set[str]] = defaultdict(set)
        wrong: set[tuple[str, str]] = set()
        for _, _, value in self._read("outcomes"):
            if value is None:
                continue
            one = json.loads(value)
            key = (one["recommendation_id"], one["event_id"])
            is_what = (one["user_id"], one["item_id"], one["position"], one["action"])
            if found.setdefault(key, is_what) != is_what or is_what != must.get(key, may.get(key, is_what)):
                wrong.add(key)
            of_event[one["event_id"]].add(one["recommendation_id"])
        missing, invented = must.keys() - found.keys(), found.keys() - must.keys() - may.keys()
        # Anybody may invent an action: only those of the settings have a count of their own.
        known = self.world.settings.profile.actions
        actions = Counter(
            f"outcomes:{action if action in known else 'other'}" for _, _, _, action in found.values()
        )
        shown = sum(bool(one.item_ids) for one in self._shown.values())
        counted: Counter[str] = Counter()
        with self.world.redis_client() as redis:
            for name in redis.scan_iter(f"{PREFIX}tally:outcomes:*"):
                tally: Any = redis.hgetall(name)
                for field, amount in tally.items():
                    counted[json.loads(field)[3]] += float(amount)  # type: ignore[assignment]
        wanted = Counter({"lists": shown, **actions})
        measures = wanted.keys() | {one for one in counted if one.startswith("outcomes:")}
        off = {
            measure: (counted[measure], wanted[measure])
            for measure in sorted(measures)
            if round(counted[measure]) != wanted[measure]
        }
        twice = sum(len(lists) > 1 for lists in of_event.values())
        return Check(
            "an outcome for each event of a list, counted once",
            not (missing or invented or wrong or twice or off) and bool(must),
            {
                "outcomes": len(found),
                "of_events_that_name_their_list": len(must),
                "missing": len(missing),
                "invented": len(invented),
                "wrong": len(wrong),
                "of_two_lists": twice,
                "lists": shown,
                "counts_off": off,
                "first_off": sorted([*missing, *invented, *wrong])[:3],
            },
        )

    def _releases(self) -> Check:
        """The next release has written, and this one beside it and after it."""
        roles = {slot.role for slot in self.world.slots}
        names = {
            self.world.names.of(topic, self.world.space if topic.name == "item-vectors" else None)
            for topic in TOPICS
            if roles.intersection(topic.written_by) or "every role" in topic.written_by
        }
        found: dict[str, tuple[int, int]] = {}
        for name in names:
            values = [one.value for one in read_topic(self._servers, name) if one.value is not None]
            found[name] = of_releases(values)
        with self.world.redis_client() as redis:
            for kind, role in (("profile", "profile"), ("item", "fuse"), ("exposures", "join")):
                if role in roles:
                    keys = list(redis.scan_iter(f"{PREFIX}{kind}:*", count=1_000))
                    stored: Any = redis.mget(keys) if keys else []
                    found[f"{kind} in Redis"] = of_releases(one for one in stored if one is not None)
        return Check(
            "both releases have written",
            any(all(counts) for counts in found.values()),
            {"of_this_release_and_the_next": found},
        )

    @property
    def _servers(self) -> str:
        return self.world.kafka.bootstrap_servers

    def _read(self, topic: str) -> Iterator[tuple[str, int, bytes | None]]:
        for record in read_topic(self._servers, PREFIX + topic):
            yield (record.key or b"").decode(), record.offset, record.value


def of_releases(values: Iterable[bytes]) -> tuple[int, int]:
    """How many this release has written, and how many the next."""
    of_next = [VALUE.encode() in value for value in values]
    return of_next.count(False), of_next.count(True)


def _last(entries: Iterator[tuple[str, int, bytes | None]]) -> dict[str, bytes | None]:
    return {key: value for key, _, value in entries}
