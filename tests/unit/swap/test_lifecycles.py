"""Fusions and user models side by side: who serves in which space, by random histories of records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.lifecycle import START, Activated, Announced, Bundle, Change, ModelRef, Refused, Wanted, Withdrawn
from models.lifecycles import Lifecycles, OfUserModels, Start, apply_any, user_switch_due

OURS = Start("first", 8)
SHOPS = [ModelRef("shop", version) for version in "12"]
TASTES = [ModelRef("taste", version) for version in "123"]
SPACES = ["first", "space-1", "space-2"]
A, B = "a" * 64, "b" * 64
AnyChange = Change | OfUserModels


def fusion(ref: ModelRef) -> Bundle:
    return Bundle(ref, f"file:///models/{ref}.tar", A, f"space-{ref.version}", 8)


def taste(ref: ModelRef, space: str, sha256: str = A) -> Bundle:
    return Bundle(ref, f"file:///models/{ref}.tar", sha256, space, 8)


def announced(ref: ModelRef, space: str, sha256: str = A) -> OfUserModels:
    return OfUserModels(space, Announced(taste(ref, space, sha256)))


def wanted(ref: ModelRef, space: str) -> OfUserModels:
    return OfUserModels(space, Wanted(ref))


def serves(ref: ModelRef, space: str, previous: ModelRef = START) -> OfUserModels:
    bundle = None if ref == START else taste(ref, space)
    return OfUserModels(space, Activated(ref, space, bundle, previous))


def swapped(ref: ModelRef, previous: ModelRef = START) -> Activated:
    own = None if ref == START else fusion(ref)
    return Activated(ref, own.space if own else "first", own, previous)


shops, tastes, spaces = st.sampled_from(SHOPS), st.sampled_from(TASTES), st.sampled_from(SPACES)
any_shop, any_taste = st.sampled_from([*SHOPS, START]), st.sampled_from([*TASTES, START])
# By hand anything may be written under any name.
any_name = st.sampled_from([*SHOPS, *TASTES])
of_fusions: st.SearchStrategy[AnyChange] = st.one_of(
    st.builds(lambda ref: Announced(fusion(ref)), shops),
    st.builds(Wanted, any_shop),
    st.builds(swapped, any_shop, any_shop),
)
of_users: st.SearchStrategy[AnyChange] = st.one_of(
    st.builds(announced, tastes, spaces, st.sampled_from([A, B])),
    st.builds(wanted, any_taste, spaces),
    st.builds(serves, any_taste, spaces, any_taste),
)
of_both: st.SearchStrategy[AnyChange] = st.one_of(
    st.builds(Withdrawn, any_name), st.builds(Refused, any_name, st.just(A), st.just("it is not finite"))
)
histories = st.lists(st.one_of(of_fusions, of_users, of_both), max_size=30)


def key(change: AnyChange) -> tuple[str, ...]:
    """As Kafka's topic has it."""
    match change:
        case Announced(bundle) | OfUserModels(_, Announced(bundle)):
            return ("bundle", str(bundle.ref))
        case Withdrawn(ref):
            return ("bundle", str(ref))
        case Refused():
            return ("refused", str(change.ref))
        case OfUserModels(space, own):
            return (type(own).__name__, space)
    return (type(change).__name__,)


def after(*history: AnyChange) -> Lifecycles:
    state = Lifecycles()
    for place, change in enumerate(history):
        state = apply_any(state, change, place)
    return state


def seen(state: Lifecycles) -> object:
    """All that anybody acts on."""
    names = [*SHOPS, *TASTES, START]
    return (
        {ref: (state.fusions.phase(ref), state.fusions.refusal(ref)) for ref in names},
        {
            space: {ref: (users.phase(ref), users.refusal(ref), users.bundle(ref)) for ref in names}
            for space in SPACES
            for users in [state.users_of(space)]
        },
        state.user_targets(OURS),
        state.kept_user_models(OURS),
        state.has_user_models,
    )


@given(histories, st.data())
def test_a_compacted_log_leads_to_the_same_states(history: list[AnyChange], data: st.DataObject) -> None:
    compacted_to = data.draw(st.integers(0, len(history)))
    newest = {key(change): place for place, change in enumerate(history[:compacted_to])}
    compacted = Lifecycles()
    for place, change in enumerate(history):
        if place >= compacted_to or newest[key(change)] == place:
            compacted = apply_any(compacted, change, place)
    assert seen(after(*history)) == seen(compacted)


@given(histories)
def test_only_its_own_pointer_changes_which_user_model_serves_in_a_space(history: list[AnyChange]) -> None:
    state = Lifecycles()
    for place, change in enumerate(history):
        before, state = state, apply_any(state, change, place)
        for space in SPACES:
            own = isinstance(change, OfUserModels) and change.space == space
            if not (own and isinstance(change.change, Activated)):
                assert state.users_of(space).active == before.users_of(space).active
        if not isinstance(change, Activated):
            assert state.fusions.active == before.fusions.active


@given(histories)
def test_a_user_model_is_only_ever_of_the_space_that_it_is_to_serve_in(history: list[AnyChange]) -> None:
    state = after(*history)
    for space, ref in state.user_targets(OURS).items():
        bundle = state.users_of(space).bundle(ref)
        assert ref == START or (bundle is not None and bundle.space == space)
        assert state.users_of(space).refusal(ref) is None
        assert ref != state.users_of(space).active_ref


def test_what_is_announced_waits_until_it_is_asked_for_and_leaves_the_fusions_alone() -> None:
    one, two = TASTES[:2]
    state = after(announced(one, "first"))
    assert (state.users_of("first").phase(one), state.user_targets(OURS)) == ("announced", {})
    state = after(announced(one, "first"), wanted(one, "first"))
    assert state.user_targets(OURS) == {"first": one}
    state = after(
        announced(one, "first"), announced(two, "first"), serves(one, "first"), wanted(two, "first")
    )
    assert [state.users_of("first").phase(ref) for ref in (one, two)] == ["active", "preparing"]
    state = apply_any(state, serves(two, "first", one), 9)
    assert [state.users_of("first").phase(ref) for ref in (one, two)] == ["previous", "active"]
    assert (state.fusions.active_ref, state.fusions.bundles) == (START, {})


def test_after_a_swap_the_newest_of_the_new_space_takes_over_by_itself() -> None:
    shop, (one, two, three) = SHOPS[0], TASTES
    known = (Announced(fusion(shop)), announced(one, "space-1"), announced(two, "space-1"))
    assert after(*known).user_targets(OURS) == {}, "nobody has asked for its space"
    getting_ready = after(*known, Wanted(shop))
    assert getting_ready.user_targets(OURS) == {"space-1": two}
    assert getting_ready.kept_user_models(OURS) == [taste(two, "space-1")]
    assert after(*known, Refused(two, A, "broken"), Wanted(shop)).user_targets(OURS) == {"space-1": one}
    swap = (Wanted(shop), swapped(shop))
    assert after(*known, *swap).user_targets(OURS) == {"space-1": two}, "also where the swap came first"
    assert after(*known, *swap, serves(two, "space-1")).user_targets(OURS) == {}
    # What comes once lists are of its space has to be asked for.
    assert after(*known[:1], *swap, announced(three, "space-1")).user_targets(OURS) == {}
    late = after(*known, *swap, serves(two, "space-1"), announced(three, "space-1"))
    assert late.user_targets(OURS) == {}


def test_where_somebody_has_said_which_nothing_takes_over_by_itself() -> None:
    shop, one = SHOPS[0], TASTES[0]
    swap = (Announced(fusion(shop)), announced(one, "space-1"), Wanted(shop), swapped(shop))
    said = after(*swap, wanted(START, "space-1"))
    assert said.user_targets(OURS) == {}
    assert after(*swap, serves(START, "space-1")).user_targets(OURS) == {}
    with_a_model = Start("first", 8, user_space="space-1")
    assert after(*swap).user_targets(with_a_model) == {}


def test_each_space_finds_its_own_again_when_the_fusion_goes_back() -> None:
    shop, (one, two, _) = SHOPS[0], TASTES
    there = (
        announced(one, "first"),
        serves(one, "first"),
        Announced(fusion(shop)),
        announced(two, "space-1"),
        swapped(shop),
        serves(two, "space-1"),
    )
    state = after(*there)
    assert (state.serving_space(OURS), state.users_of("space-1").active_ref) == ("space-1", two)
    assert set(state.kept_user_models(OURS)) == {taste(one, "first"), taste(two, "space-1")}
    back = after(*there, swapped(START, shop))
    assert (back.serving_space(OURS), back.users_of("first").active_ref) == ("first", one)
    assert set(back.kept_user_models(OURS)) == {taste(one, "first"), taste(two, "space-1")}


def test_the_pointer_waits_for_every_worker_that_makes_lists() -> None:
    one = TASTES[0]
    state = after(announced(one, "first"), wanted(one, "first"))
    has, other, none = {"taste@1": A}, {"taste@1": B}, dict[str, str]()
    for ready, due in (([], None), ([has], one), ([has, none], None), ([has, other], None)):
        assert user_switch_due(state, "first", OURS, ready) == due
    back = after(announced(one, "first"), serves(one, "first"), wanted(START, "first"))
    assert user_switch_due(back, "first", OURS, [none]) == START, "of the settings' nothing has to be loaded"


def test_spaces_are_known_by_the_fusions_that_make_them() -> None:
    shop = SHOPS[0]
    assert after(Announced(fusion(shop))).known_spaces(OURS) == {"first": 8, "space-1": 8}
    serving = after(Announced(fusion(shop)), swapped(shop), Withdrawn(shop))
    assert serving.known_spaces(OURS) == {"first": 8, "space-1": 8}
    assert after(announced(TASTES[0], "space-2")).known_spaces(OURS) == {"first": 8}


def test_one_that_is_announced_anew_for_another_space_is_of_that_alone() -> None:
    one = TASTES[0]
    state = after(announced(one, "first"), announced(one, "space-1"))
    assert state.user_spaces(one) == ["space-1"]
    assert after(announced(one, "first"), Withdrawn(one)).user_spaces(one) == []
    assert after(announced(one, "first"), Announced(fusion(one))).user_spaces(one) == []
