"""What happens on the stage: people act, new items come, a worker is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deploy.demo.catalogue import Catalogue, labels_of
from streams.client import FreshetClient
from streams.messages import Event, Item
from workers.demo.journal import Journal, PublishedItem
from workers.demo.people import Person
from workers.local_deployment import LocalDeployment

KILLED_ROLE = "profile"
NEW_ITEMS_AT = 0.5
"""When new items come, as a part of the whole."""
KILL_AT = 0.78
"""When a worker is killed."""
SENT_AGAIN = 0.03
"""How often an event is published twice with the same id, as producers do that retry."""

_TICK_S = 0.02
_NEW_ITEMS_EVERY_S = 0.25
_MEMORY_EVERY_S = 4.0


@dataclass
class Play:
    """One performance.

    Args:
        think_s: How long people take between two acts, on average.
        on_tick: Called many times a second, to show what happens.
        say: Told what happens, in lines for a person.

    Attributes:
        killed_at_s: When the worker was killed.
        memory_bytes: PSS by process, when the sum was largest.
    """

    deployment: LocalDeployment
    client: FreshetClient
    journal: Journal
    people: Sequence[Person]
    catalogue: Catalogue
    seed: int
    think_s: float
    on_tick: Callable[[], None]
    say: Callable[[str], None]
    killed_at_s: float | None = None
    new_items: list[PublishedItem] = field(default_factory=list)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    _shelves: dict[str, frozenset[str]] = field(default_factory=dict)
    _memory_due_s: float = 0.0

    def publish_catalogue(self) -> None:
        """Everything but the new items."""
        self._publish_items(self.catalogue.items)

    def act(self, seconds: float) -> None:
        """Let people act for so long, with what happens in the middle."""
        rng = random.Random(self.seed)
        begin_s = time.monotonic()
        due_s = {person.user_id: begin_s + rng.uniform(0, self.think_s) for person in self.people}
        waiting = list(self.catalogue.new_items)
        new_item_due_s = begin_s + NEW_ITEMS_AT * seconds
        while (now_s := time.monotonic()) < begin_s + seconds:
            self._look_after(now_s)
            for person in self.people:
                if now_s >= due_s[person.user_id]:
                    self._let_act(person, again=rng.random() < SENT_AGAIN)
                    due_s[person.user_id] = time.monotonic() + person.think_s(self.think_s)
            if waiting and now_s >= new_item_due_s:
                if not self.new_items:
                    self.say(f"publishing {len(waiting)} brand-new items")
                self._publish_items([waiting.pop(0)])
                self.new_items.append(self.journal.items[-1])
                new_item_due_s = time.monotonic() + _NEW_ITEMS_EVERY_S
            if self.killed_at_s is None and now_s >= begin_s + KILL_AT * seconds:
                self._kill()
            time.sleep(_TICK_S)

    def wait_until_answered(self, timeout_s: float) -> None:
        """Until a list knows each person's last event, or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            self._look_after(time.monotonic())
            if all(self._known(person.user_id) for person in self.people):
                return
            time.sleep(_TICK_S)

    def final_versions(self, timeout_s: float = 60.0) -> dict[str, int]:
        """Ask for a list for each person who acted, and return the ``profile_version`` of each."""
        return {
            user_id: self.client.ask(
                user_id, count=10, timeout_s=timeout_s, after_event_id=own[-1].event.event_id
            ).profile_version
            for user_id, own in self.journal.events.items()
        }

    def _known(self, user_id: str) -> bool:
        newest = self.journal.newest_list(user_id)
        return (newest.profile_version if newest else 0) >= len(self.journal.events.get(user_id, ()))

    def _look_after(self, now_s: float) -> None:
        self.deployment.poll()
        self.on_tick()
        if now_s >= self._memory_due_s:
            found = self.deployment.memory()
            if sum(found.values()) > sum(self.memory_bytes.values()):
                self.memory_bytes = found
            self._memory_due_s = time.monotonic() + _MEMORY_EVERY_S

    def _let_act(self, person: Person, *, again: bool) -> None:
        newest = self.journal.newest_list(person.user_id)
        act = person.act(newest.item_ids if newest else (), self._shelves)
        event = Event(
            event_id=f"{person.user_id}-{len(self.journal.events[person.user_id]) + 1}",
            user_id=person.user_id,
            item_id=act.item_id,
            action=act.action,
            occurred_at=datetime.now(UTC),
            recommendation_id=newest.recommendation_id if newest and act.from_list else None,
        )
        for _ in range(2 if again else 1):
            self.journal.event_published(event, time.monotonic())
            self.client.publish_event(event)

    def _publish_items(self, items: Sequence[Item]) -> None:
        self.journal.items_published(items, time.monotonic())
        self.client.publish_items(items)
        self._shelves |= {item.item_id: labels_of(item) for item in items}

    def _kill(self) -> None:
        self.killed_at_s = time.monotonic()
        pid = self.deployment.supervisor.kill(KILLED_ROLE)
        self.say(f"killed the {KILLED_ROLE} worker (SIGKILL to process {pid})")
