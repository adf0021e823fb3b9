"""The versions of fusions and of user models: the state machine of `models.lifecycle`, several times.

Fusions have one, user models one for each vector space: which of them serves is said space by space, and
holds while lists are of that space. So a swap of the fusion finds the user model of the new space in place,
and going back finds the one before.

Where nobody has said which user model serves in a space that comes to serve, the newest that was announced
until then takes over by itself: see `user_target`. What is announced later waits until it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.lifecycle import (
    START,
    Activated,
    Announced,
    Bundle,
    Change,
    Lifecycle,
    ModelRef,
    Refused,
    Wanted,
    Withdrawn,
    apply,
)


@dataclass(frozen=True, slots=True)
class OfUserModels:
    """A change of the user models of one vector space."""

    space: str
    change: Announced | Wanted | Activated


@dataclass(frozen=True, slots=True)
class Start:
    """What the settings say.

    Attributes:
        space: The vector space of their fusion.
        dimension: Of its vectors.
        user_space: The space of their user model; None where they name none.
    """

    space: str
    dimension: int
    user_space: str | None = None


@dataclass(frozen=True, slots=True)
class Lifecycles:
    """The state of all versions.

    Attributes:
        fusions: Of fusions.
        users: Vector space → of its user models.
        switched: The place of the last pointer to a fusion; −1 as long as there is none.
    """

    fusions: Lifecycle = field(default_factory=Lifecycle)
    users: Mapping[str, Lifecycle] = field(default_factory=dict)
    switched: int = -1

    @property
    def has_user_models(self) -> bool:
        """Whether one was ever brought into use."""
        return any(users.active is not None for users in self.users.values())

    def users_of(self, space: str) -> Lifecycle:
        """The user models of a space."""
        return self.users.get(space, _NOTHING)

    def user_spaces(self, ref: ModelRef) -> list[str]:
        """The spaces in which a user model is known by this name; mostly one."""
        return [space for space, users in self.users.items() if users.bundle(ref) is not None]

    def known_spaces(self, start: Start) -> dict[str, int]:
        """The spaces that some fusion makes → their dimensions."""
        bundles = [bundle for _, bundle in self.fusions.bundles.values()]
        if self.fusions.active is not None and self.fusions.active.bundle is not None:
            bundles.append(self.fusions.active.bundle)
        return dict([(start.space, start.dimension), *((one.space, one.dimension) for one in bundles)])

    def dimension_of(self, space: str, start: Start) -> int | None:
        """Of a space that some fusion makes, or a user model was announced for."""
        users = self.users_of(space)
        bundles = [bundle for _, bundle in users.bundles.values()]
        if users.active is not None and users.active.bundle is not None:
            bundles.append(users.active.bundle)
        known = {bundle.space: bundle.dimension for bundle in bundles} | self.known_spaces(start)
        return known.get(space)

    def space_of(self, ref: ModelRef | None, start: Start) -> str | None:
        """The space of a fusion; None where it is not known."""
        if ref is None or ref == START:
            return None if ref is None else start.space
        bundle = self.fusions.bundle(ref)
        return None if bundle is None else bundle.space

    def serving_space(self, start: Start) -> str:
        """The space that lists are of."""
        return self.space_of(self.fusions.active_ref, start) or start.space

    def kept_spaces(self, start: Start) -> list[str]:
        """Spaces that are in use, get ready, or were in use before."""
        found = [self.space_of(ref, start) for ref in self.fusions.kept]
        return list(dict.fromkeys(space for space in found if space is not None))

    def user_target(self, space: str, start: Start) -> ModelRef | None:
        """The user model that is to serve in a space and does not yet, if it can be got ready for.

        What is wanted; else, where nobody has ever said which, the settings neither, and a fusion of this
        space gets ready or came to serve, the newest that was announced before that and is not refused.
        """
        users = self.users_of(space)
        if users.wanted is not None or users.active is not None or space == start.user_space:
            return users.target
        if self.fusions.active is not None and space == self.serving_space(start):
            until: float = self.switched
        elif space == self.space_of(self.fusions.target, start):
            until = float("inf")
        else:
            return None
        fit = [
            (place, ref)
            for ref, (place, _) in users.bundles.items()
            if place < until and users.refusal(ref) is None
        ]
        return max(fit)[1] if fit else None

    def user_targets(self, start: Start) -> dict[str, ModelRef]:
        """Space → its `user_target`, where there is one."""
        spaces = dict.fromkeys([*self.users, *self.kept_spaces(start)])
        found = {space: self.user_target(space, start) for space in spaces}
        return {space: ref for space, ref in found.items() if ref is not None}

    def kept_user_models(self, start: Start) -> list[Bundle]:
        """What recommend workers hold in memory: what serves, gets ready or served in `kept_spaces`, and
        every target. What lists are made with comes first.
        """
        spaces = self.kept_spaces(start)
        wanted = [(space, self.users_of(space).active_ref) for space in spaces]
        wanted += self.user_targets(start).items()
        wanted += [(space, ref) for space in spaces if (ref := self.users_of(space).previous) is not None]
        found = [self.users_of(space).bundle(ref) for space, ref in wanted]
        return list(dict.fromkeys(bundle for bundle in found if bundle is not None))


_NOTHING = Lifecycle()


def apply_any(state: Lifecycles, change: Change | OfUserModels, place: int) -> Lifecycles:
    """What becomes of all versions; ``place`` as in `models.lifecycle.apply`.

    The key of an announcement, and of a refusal, is the version alone. So what is announced anew for another
    space, or as another kind, is that from then on, as it would be in a log that Kafka has compacted.
    """
    match change:
        case OfUserModels(space, Announced(bundle) as announced):
            state = _each(state, Withdrawn(bundle.ref), place)
            return _of_space(state, space, announced, place)
        case OfUserModels(space, other):
            return _of_space(state, space, other, place)
        case Announced(bundle):
            state = _each(state, Withdrawn(bundle.ref), place)
            return replace(state, fusions=apply(state.fusions, change, place))
        case Withdrawn() | Refused():
            return _each(state, change, place)
        case Activated():
            return replace(state, fusions=apply(state.fusions, change, place), switched=place)
        case Wanted():
            return replace(state, fusions=apply(state.fusions, change, place))


def _each(state: Lifecycles, change: Change, place: int) -> Lifecycles:
    users = {space: apply(one, change, place) for space, one in state.users.items()}
    return replace(state, fusions=apply(state.fusions, change, place), users=users)


def _of_space(state: Lifecycles, space: str, change: Change, place: int) -> Lifecycles:
    return replace(state, users={**state.users, space: apply(state.users_of(space), change, place)})


def user_switch_due(
    state: Lifecycles, space: str, start: Start, ready: Sequence[Mapping[str, str]]
) -> ModelRef | None:
    """The user model that the pointer of a space is to move to now; None where somebody is not ready.

    Args:
        ready: Of each live worker that makes lists: version → sha256 of the bundle that it could use.
    """
    target = state.user_target(space, start)
    if target is None or not ready:
        return None
    bundle = state.users_of(space).bundle(target)
    if bundle is None or all(one.get(str(target)) == bundle.sha256 for one in ready):
        return target
    return None
