"""What becomes of each version of a model: announced, getting ready, active, refused. One pure state machine.

It is driven by records in one order, the same for all who read them::

    Announced ──► announced ──Wanted──► preparing ──Activated──► active ──another Activated──► previous
                      │                     │                      ▲                              │
                      └──────Refused────────┴──► refused ──Wanted──┼─► preparing ◄────Wanted──────┘
                                                                   └─ a refusal never touches what is active

The machine holds the newest record of each kind and version, and derives states from these and their order
alone. So a log from which Kafka has compacted away older records leads to the same states as the whole. The
latest pointer always counts. One that answered an older wish, and came late, is thereby put right: what is
wanted is then not what is active, and gets ready anew.

When the pointer may move is `switch_due`: every live worker is ready for what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Phase = Literal["announced", "preparing", "active", "previous", "refused"]
# A switch needs at least one worker of each: who makes vectors, and who makes lists of them.
NEEDED_ROLES = ("fuse", "recommend")


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A version of a model by name."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


START = ModelRef("settings", "start")
"""What the settings say, which is active until a pointer says otherwise."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A version announced: where it is, the hash of its bytes, its vector space and dimension."""

    ref: ModelRef
    uri: str
    sha256: str
    space: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Announced:
    """A version was announced, or announced again."""

    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An announcement was taken back."""

    ref: ModelRef


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody wants this version to serve."""

    ref: ModelRef


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker found the bundle with this hash to be unfit."""

    ref: ModelRef
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Activated:
    """The pointer: this version serves. ``bundle`` is None for `START`."""

    ref: ModelRef
    space: str
    bundle: Bundle | None
    previous: ModelRef | None


Change = Announced | Withdrawn | Wanted | Refused | Activated


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The state of all versions.

    Attributes:
        bundles: What was announced last of each version, with its place in the order.
        refusals: The last refusal of each version, with its place.
        wanted: The last wish, with its place.
        active: The last pointer; None as long as there is none, and `START` serves.
    """

    bundles: Mapping[ModelRef, tuple[int, Bundle]] = field(default_factory=dict)
    refusals: Mapping[ModelRef, tuple[int, Refused]] = field(default_factory=dict)
    wanted: tuple[int, ModelRef] | None = None
    active: Activated | None = None

    @property
    def active_ref(self) -> ModelRef:
        """The version that serves."""
        return START if self.active is None else self.active.ref

    @property
    def previous(self) -> ModelRef | None:
        """What served before."""
        return None if self.active is None else self.active.previous

    @property
    def target(self) -> ModelRef | None:
        """The version that is wanted and does not serve yet, if it can be got ready for."""
        if self.wanted is None or self.wanted[1] == self.active_ref:
            return None
        ref = self.wanted[1]
        return ref if self.is_known(ref) and self.refusal(ref) is None else None

    @property
    def kept(self) -> tuple[ModelRef, ...]:
        """Versions whose vectors are kept current: what serves, what gets ready, what served before."""
        wanted = [self.active_ref, self.target, self.previous]
        return tuple(dict.fromkeys(ref for ref in wanted if ref is not None and self.is_known(ref)))

    def is_known(self, ref: ModelRef) -> bool:
        """Whether it can be loaded: announced, named by the pointer, or what the settings say."""
        return ref == START or self.bundle(ref) is not None

    def bundle(self, ref: ModelRef) -> Bundle | None:
        """Where to load a version from. Of what is active the pointer says it, whatever came after."""
        if self.active is not None and ref == self.active.ref:
            return self.active.bundle
        held = self.bundles.get(ref)
        return None if held is None else held[1]

    def refusal(self, ref: ModelRef) -> Refused | None:
        """Why a version must not serve; None where nothing is known against it.

        A refusal holds for the hash that it names, until the version is announced or wanted again.
        """
        held, announced = self.refusals.get(ref), self.bundles.get(ref)
        if held is None or announced is None or ref == self.active_ref:
            return None
        place, refused = held
        tried_again = self.wanted is not None and self.wanted[1] == ref and self.wanted[0] > place
        stands = place > announced[0] and refused.sha256 == announced[1].sha256 and not tried_again
        return refused if stands else None

    def phase(self, ref: ModelRef) -> Phase | None:
        """The state of a version; None where nothing is known of it."""
        if ref == self.active_ref:
            return "active"
        if not self.is_known(ref):
            return None
        if self.refusal(ref) is not None:
            return "refused"
        if ref == self.target:
            return "preparing"
        return "previous" if ref == self.previous else "announced"


def apply(state: Lifecycle, change: Change, place: int) -> Lifecycle:
    """What becomes of the versions.

    Args:
        state: Before.
        change: A record.
        place: Where the record stands in the order of all; higher than those before.
    """
    match change:
        case Announced(bundle):
            return replace(state, bundles={**state.bundles, bundle.ref: (place, bundle)})
        case Withdrawn(ref):
            return replace(state, bundles={one: held for one, held in state.bundles.items() if one != ref})
        case Wanted(ref):
            return replace(state, wanted=(place, ref))
        case Refused():
            return replace(state, refusals={**state.refusals, change.ref: (place, change)})
        case Activated():
            return replace(state, active=change)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a live worker says of itself: the version that it could serve from now on, besides the active.

    ``sha256`` is of the bundle that it has of it, as another may be announced by the same name meanwhile;
    None for what the settings say.
    """

    role: str
    ready_for: ModelRef | None
    sha256: str | None = None


def switch_due(state: Lifecycle, workers: Iterable[Readiness]) -> ModelRef | None:
    """The version that the pointer is to move to now; None where somebody is not ready."""
    target = state.target
    if target is None:
        return None
    bundle = state.bundle(target)
    wanted = (target, None if bundle is None else bundle.sha256)
    ready: dict[str, list[bool]] = {role: [] for role in NEEDED_ROLES}
    for worker in workers:
        if worker.role in ready:
            ready[worker.role].append((worker.ready_for, worker.sha256) == wanted)
    return target if all(answers and all(answers) for answers in ready.values()) else None
