"""Changed profiles into what a worker knows of who did what: each event once, whatever is repeated.

Every recommend worker, and the one that learns, reads all partitions of `profiles`: what people do with
items is known across people. At the start each person's newest profile is a history to build on; after
that every change brings its events.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from aiokafka import ConsumerRecord

from models.cascade import Interaction, Person
from models.profile import Profile, decode_profile
from streams.codec import decode_value
from streams.errors import BadInputError
from streams.internal_messages import AppliedEvent, ProfileChanged
from streams.topics import PROFILES
from workers.erased_people import ErasedPeople
from workers.newest_profiles import NewestProfiles

# People whose version is remembered; of one who was forgotten, a change is taken as it comes.
KNOWN_PEOPLE = 500_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """One event, with the person as they were before it and the profile as it is after the whole change."""

    person: Person
    interaction: Interaction
    profile: Profile


class InteractionUpdater:
    """Tells what is new in changed profiles. No I/O.

    Args:
        build: Given people with their histories, at the start, and where a history was missed.
        step: Given each new event, in order.
        replay_events: Events of all histories to build on, at most: the newest.
        erased: Who was forgotten: what is from before is passed over.
        forget: Forgets a person in what was built; how many of their events that were.
    """

    def __init__(
        self,
        build: Callable[[Sequence[Person]], None],
        step: Callable[[Step], None],
        *,
        replay_events: int,
        erased: ErasedPeople | None = None,
        forget: Callable[[str], int] = lambda user_id: 0,
    ) -> None:
        self._erased = erased or ErasedPeople()
        self._forget = forget
        self._build = build
        self._step = step
        self._replay_events = replay_events
        self._versions: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._histories: dict[str, Person] | None = {}
        self._collected = 0
        # Those read at the start.
        self._newest = NewestProfiles()
        self.applied = 0

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take what was read; a record that cannot be taken costs itself alone."""
        for record in records:
            if record.value is None:
                continue
            if self._histories is None or not self._newest.hold(record):
                self._take(record)
        if self._newest.is_full:
            self._take_held()

    def _take_held(self) -> None:
        for record in self._newest.take():
            self._take(record)

    def _take(self, record: ConsumerRecord) -> None:
        try:
            change = decode_value(record.value, PROFILES)
        except BadInputError as error:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            _log.error("not a changed profile: passed over", **where, problem=str(error))
            return
        self.try_change(change)

    def try_change(self, changed: ProfileChanged) -> None:
        """As `change`; a change that cannot be taken costs itself alone."""
        try:
            self.change(changed)
        except Exception:
            _log.exception("a changed profile cannot be taken: passed over", version=changed.version)

    def change(self, changed: ProfileChanged) -> None:
        """Take one change: before `caught_up` as a history, after it as events."""
        if self._erased.is_void(changed.user_id, changed.since_ms):
            return
        since_ms, known = self._versions.get(changed.user_id, (0, None))
        if (changed.since_ms, changed.version) <= (since_ms, known or 0):
            return
        if changed.since_ms > since_ms:
            # The erasure itself may be read later than what came after it.
            self.forget(changed.user_id, changed.since_ms)
            known = None
        self._versions[changed.user_id] = (changed.since_ms, changed.version)
        self._versions.move_to_end(changed.user_id)
        if len(self._versions) > KNOWN_PEOPLE:
            self._versions.popitem(last=False)
        profile = decode_profile(changed.state)
        if self._histories is not None:
            self._collect(profile)
            return
        new = changed.applied if known is None else changed.applied[-(changed.version - known) :]
        if changed.version - (known or 0) > len(new):
            self._build([_before(profile, new)])
        for number, event in enumerate(new):
            person = _before(profile, new[number:])
            self._step(Step(person, _interaction(changed.user_id, event), profile))
            self.applied += 1

    def forget(self, user_id: str, at_ms: int) -> int:
        """Forget a person as of that time; how many of their events that were.

        What they did since is kept, where it was taken before.
        """
        self._take_held()
        known = self._versions.get(user_id)
        if known is not None and known[0] >= at_ms:
            return 0
        self._versions.pop(user_id, None)
        if self._histories is not None:
            held = self._histories.pop(user_id, None)
            events = 0 if held is None else len(held.item_ids)
            self._collected -= events
            return events
        return self._forget(user_id)

    def caught_up(self) -> None:
        """All that was there at the start has been read: build on it, and take events from now on."""
        if self._histories is not None:
            self._take_held()
            self._trim()
            self._build(list(self._histories.values()))
            self._histories = None

    def _collect(self, profile: Profile) -> None:
        if self._histories is None:
            return
        held = self._histories.get(profile.user_id)
        times = profile.times_array()
        person = Person.of(profile, int(times[-1]) if len(times) else 0)
        self._histories[profile.user_id] = person
        self._collected += len(person.item_ids) - (0 if held is None else len(held.item_ids))
        if self._collected > 2 * self._replay_events:
            self._trim()

    def _trim(self) -> None:
        """Keep the newest events of all histories, so that the start is bounded in memory and time."""
        if self._histories is None or self._collected <= self._replay_events:
            return
        times = np.concatenate([person.times_ms for person in self._histories.values()])
        oldest = np.partition(times, len(times) - self._replay_events)[len(times) - self._replay_events]
        kept = {}
        for user_id, person in self._histories.items():
            begin = int(np.searchsorted(person.times_ms, oldest))
            if begin < len(person.item_ids):
                kept[user_id] = replace(
                    person,
                    item_ids=person.item_ids[begin:],
                    weights=person.weights[begin:],
                    times_ms=person.times_ms[begin:],
                )
        self._histories = kept
        self._collected = sum(len(person.item_ids) for person in kept.values())


def _interaction(user_id: str, event: AppliedEvent) -> Interaction:
    return Interaction(
        user_id, event.item_id, event.action, event.weight, _milliseconds(event), event.context
    )


def _milliseconds(event: AppliedEvent) -> int:
    return round(event.occurred_at.timestamp() * 1_000)


def _before(profile: Profile, events: Sequence[AppliedEvent]) -> Person:
    """The person before these, the last events of the profile; the moment is that of the first of them."""
    now_ms = _milliseconds(events[0]) if events else int(profile.times_array()[-1:].sum())
    after = Person.of(profile, now_ms, events[0].context if events else None)
    removed = _entries_of(after, events)
    begin = len(after.item_ids) - len(removed)
    if removed and min(removed) < begin:
        others = [at for at in range(len(after.item_ids)) if at not in removed]
        item_ids = tuple(after.item_ids[at] for at in others)
        weights, times_ms = after.weights[others], after.times_ms[others]
    else:
        # Nearly always they are the last entries, and what is before them is a slice.
        item_ids, weights, times_ms = after.item_ids[:begin], after.weights[:begin], after.times_ms[:begin]
    return replace(
        after,
        item_ids=item_ids,
        weights=weights,
        times_ms=times_ms,
        events=after.events - len(events),
        positives=after.positives - sum(event.weight > 0 for event in events),
    )


def _entries_of(person: Person, events: Sequence[AppliedEvent]) -> set[int]:
    """Which entries of a history these events are; of one that the history no longer holds there is none."""
    found: set[int] = set()
    for event in reversed(events):
        time_ms = _milliseconds(event)
        # From the newest on: nearly always the last one.
        for position in range(len(person.item_ids) - 1, -1, -1):
            if person.times_ms[position] < time_ms:
                break
            if position not in found and person.item_ids[position] == event.item_id:
                found.add(position)
                break
    return found
