"""The state machine of model versions, by random histories of records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.lifecycle import (
    START,
    Activated,
    Announced,
    Bundle,
    Change,
    Lifecycle,
    ModelRef,
    Readiness,
    Refused,
    Wanted,
    Withdrawn,
    apply,
    switch_due,
)

REFS = [ModelRef("shop", version) for version in "123"]
HASHES = ["a" * 64, "b" * 64]


def bundle(ref: ModelRef, sha256: str = HASHES[0]) -> Bundle:
    return Bundle(ref, f"file:///models/{ref}.tar", sha256, f"space-{ref.version}", 8)


def activated(ref: ModelRef, previous: ModelRef | None = START, sha256: str = HASHES[0]) -> Activated:
    return Activated(ref, f"space-{ref.version}", None if ref == START else bundle(ref, sha256), previous)


refs, hashes = st.sampled_from(REFS), st.sampled_from(HASHES)
any_ref = st.sampled_from([*REFS, START])
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda ref, sha256: Announced(bundle(ref, sha256)), refs, hashes),
    st.builds(Withdrawn, refs),
    st.builds(Wanted, any_ref),
    st.builds(Refused, refs, hashes, st.just("its vectors are not finite")),
    st.builds(activated, any_ref, st.none() | any_ref, hashes),
)
histories = st.lists(changes, max_size=30)
workers = st.lists(
    st.builds(
        Readiness, st.sampled_from(["fuse", "recommend", "learn"]), st.none() | any_ref, st.none() | hashes
    ),
    max_size=5,
)


def key(change: Change) -> tuple[str, ...]:
    """As Kafka's topic has it: the newest record of each is what compaction leaves."""
    match change:
        case Announced(one):
            return ("bundle", str(one.ref))
        case Withdrawn(ref):
            return ("bundle", str(ref))
        case Refused():
            return ("refused", str(change.ref))
        case _:
            return (type(change).__name__,)


def after(*history: Change) -> Lifecycle:
    state = Lifecycle()
    for place, change in enumerate(history):
        state = apply(state, change, place)
    return state


def phases(state: Lifecycle) -> dict[ModelRef, object]:
    return {ref: (state.phase(ref), state.refusal(ref)) for ref in [*REFS, START]}


@given(histories, st.data())
def test_a_compacted_log_leads_to_the_same_states(history: list[Change], data: st.DataObject) -> None:
    compacted_to = data.draw(st.integers(0, len(history)))
    newest = {key(change): place for place, change in enumerate(history[:compacted_to])}
    whole = compacted = Lifecycle()
    for place, change in enumerate(history):
        whole = apply(whole, change, place)
        if place >= compacted_to or newest[key(change)] == place:
            compacted = apply(compacted, change, place)
    assert phases(whole) == phases(compacted)
    assert (whole.target, whole.kept, whole.previous) == (
        compacted.target,
        compacted.kept,
        compacted.previous,
    )


@given(histories)
def test_one_version_is_active_and_only_a_pointer_changes_which(history: list[Change]) -> None:
    state = Lifecycle()
    for place, change in enumerate(history):
        before, state = state, apply(state, change, place)
        active = [ref for ref in [*REFS, START] if state.phase(ref) == "active"]
        assert active == [state.active_ref]
        if not isinstance(change, Activated):
            assert state.active_ref == before.active_ref
            assert state.bundle(state.active_ref) == before.bundle(before.active_ref)


@given(histories)
def test_what_is_prepared_is_wanted_known_and_not_refused(history: list[Change]) -> None:
    state = after(*history)
    target = state.target
    assert [ref for ref in [*REFS, START] if state.phase(ref) == "preparing"] == ([target] if target else [])
    if target is not None:
        assert state.wanted is not None
        assert state.wanted[1] == target != state.active_ref
        assert state.is_known(target)
        assert state.refusal(target) is None
    assert state.active_ref in state.kept
    assert set(state.kept) <= {state.active_ref, target, state.previous}


@given(histories, workers)
def test_a_switch_waits_for_every_worker_that_it_needs(history: list[Change], live: list[Readiness]) -> None:
    state = after(*history)
    due = switch_due(state, live)
    needed = [one for one in live if one.role in ("fuse", "recommend")]
    wanted = None if state.target is None else state.bundle(state.target)
    sha256 = None if wanted is None else wanted.sha256
    everyone = all((one.ready_for, one.sha256) == (state.target, sha256) for one in needed)
    both_roles = {one.role for one in needed} == {"fuse", "recommend"}
    assert (due is not None) == (state.target is not None and everyone and both_roles)
    assert due in (None, state.target)


@given(histories, workers)
def test_following_a_switch_leaves_nothing_to_do(history: list[Change], live: list[Readiness]) -> None:
    state = after(*history)
    due = switch_due(state, live)
    if due is not None:
        pointer = Activated(due, "space", state.bundle(due), state.active_ref)
        switched = apply(state, pointer, len(history))
        assert switched.phase(due) == "active"
        assert switched.target is None
        assert switched.previous == state.active_ref
        assert switch_due(switched, live) is None


def test_from_announced_to_active_and_back() -> None:
    one, two = REFS[:2]
    state = after(Announced(bundle(one)))
    assert (state.phase(one), state.phase(START)) == ("announced", "active")
    state = apply(state, Wanted(one), 1)
    assert state.phase(one) == "preparing"
    state = apply(state, activated(one, START), 2)
    assert (state.phase(one), state.phase(START), state.target) == ("active", "previous", None)
    state = apply(apply(state, Announced(bundle(two)), 3), Wanted(two), 4)
    state = apply(state, activated(two, one), 5)
    assert [state.phase(ref) for ref in (one, two, START)] == ["previous", "active", "announced"]
    state = apply(state, Wanted(one), 6)
    assert (state.phase(one), state.phase(two)) == ("preparing", "active")


def test_a_refusal_holds_until_it_is_announced_or_wanted_again() -> None:
    ref = REFS[0]
    refused = Refused(ref, HASHES[0], "broken")
    state = after(Announced(bundle(ref)), Wanted(ref), refused)
    assert (state.phase(ref), state.target, state.active_ref) == ("refused", None, START)
    assert apply(state, Wanted(ref), 3).phase(ref) == "preparing"
    assert apply(state, Announced(bundle(ref, HASHES[1])), 3).phase(ref) == "preparing"
    late = apply(apply(state, Announced(bundle(ref, HASHES[1])), 3), refused, 4)
    assert late.phase(ref) == "preparing", "a refusal of other bytes says nothing of these"


def test_a_refusal_does_not_touch_what_is_active() -> None:
    ref = REFS[0]
    state = after(Announced(bundle(ref)), activated(ref), Refused(ref, HASHES[0], "broken"))
    assert (state.phase(ref), state.refusal(ref)) == ("active", None)


def test_a_pointer_that_comes_late_is_put_right() -> None:
    one, two = REFS[:2]
    announced = (Announced(bundle(one)), Announced(bundle(two)))
    state = after(*announced, Wanted(one), activated(one), Wanted(two), activated(two, one), activated(one))
    assert (state.active_ref, state.target) == (one, two)
    ready = [Readiness("fuse", two, HASHES[0]), Readiness("recommend", two, HASHES[0])]
    assert switch_due(state, ready) == two


def test_who_is_ready_for_other_content_of_the_same_name_is_not_ready() -> None:
    one = REFS[0]
    state = after(Announced(bundle(one)), Wanted(one), Announced(bundle(one, HASHES[1])))
    fuse, old = Readiness("fuse", one, HASHES[1]), Readiness("recommend", one, HASHES[0])
    assert switch_due(state, [fuse, old]) is None
    assert switch_due(state, [fuse, Readiness("recommend", one, HASHES[1])]) == one
