"""Profiles in memory, changed as the profile role changes them."""

from __future__ import annotations

from dataclasses import dataclass

from models.cascade.person import Interaction, Person
from models.datasets import DatasetEvent
from models.profile import Profile, ProfileEvent, TransitionSettings, apply_event, new_profile
from workers.evaluation.contender import Moment


@dataclass(frozen=True, slots=True)
class Applied:
    """An event that was taken into a profile.

    Attributes:
        interaction: The event as it counts.
        before: The person just before it, at its time.
        after: The person just after it, at its time.
        changed: False where it had no effect, being a duplicate.
    """

    interaction: Interaction
    before: Moment
    after: Moment
    changed: bool


class People:
    """Everybody's profile.

    Args:
        transitions: How events change profiles, and what they weigh.
    """

    def __init__(self, transitions: TransitionSettings) -> None:
        self._transitions = transitions
        self._profiles: dict[str, Profile] = {}

    def histories(self) -> list[Person]:
        """Everybody as of their last event: what the compacted topic holds."""
        return [
            Person.of(profile, int(profile.times_array()[-1:].sum())) for profile in self._profiles.values()
        ]

    def apply(self, event: DatasetEvent) -> Applied:
        """Take an event into the profile of its person."""
        before = self._profiles.get(event.user_id) or new_profile(event.user_id)
        after, effect = apply_event(
            before,
            ProfileEvent(event.event_id, event.item_id, event.action, event.occurred_at_ms, event.value),
            self._transitions,
        )
        self._profiles[event.user_id] = after
        now_ms = event.occurred_at_ms
        return Applied(
            interaction=Interaction(
                event.user_id, event.item_id, event.action, effect.weight, now_ms, event.context
            ),
            before=Moment.of(before, now_ms, event.context),
            after=Moment.of(after, now_ms, event.context),
            changed=effect.changed,
        )
