"""The consumer group of each role, and how many records wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streams.cluster import Cluster, GroupFacts
from streams.settings import Settings
from streams.topic_admin import TopicState
from workers.roles import ROLES, Role


@dataclass(frozen=True, slots=True)
class RoleGroup:
    """A role's group; ``facts`` None where it has none, ``partitions`` of the topics that it reads."""

    role: Role
    facts: GroupFacts | None
    lag: int
    partitions: int

    @property
    def members(self) -> int:
        """Its workers."""
        return 0 if self.facts is None else self.facts.members

    @property
    def state(self) -> str:
        """As Kafka calls it."""
        return "none" if self.facts is None else self.facts.state


def role_groups(
    cluster: Cluster, settings: Settings, states: Iterable[TopicState], spaces: Sequence[str]
) -> Iterator[RoleGroup]:
    """Ask Kafka for the group of every role.

    Args:
        states: The topics that there are.
        spaces: The vector space that serves, then that of the settings, by which encode roles are named.

    Raises:
        ConfigurationError, DependencyDownError: As `Cluster`.
    """
    groups = {group.name: group for group in cluster.groups(settings.topics.prefix)}
    present = [state for state in states if state.partitions]
    for role in ROLES:
        own = settings.topics.prefix + role
        named = (groups.get(name) for name in (own, *(f"{own}.{space}" for space in spaces)))
        group = next((one for one in named if one is not None), None)
        committed = group.committed if group is not None else {}
        lag = partitions = 0
        for state in present:
            if role not in state.topic.read_by or role in state.topic.followed_by:
                continue
            partitions += state.partitions
            for partition, (first, end) in cluster.bounds(state.name, state.partitions).items():
                lag += max(0, end - max(first, committed.get((state.name, partition), first)))
        yield RoleGroup(role, group, lag, partitions)
