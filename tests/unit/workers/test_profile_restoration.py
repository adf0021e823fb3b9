"""Profiles back into a state that lost them, and proof that it has them still."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.profile import (
    ActionRule,
    Profile,
    ProfileEvent,
    SourcePosition,
    TransitionSettings,
    apply_events,
    encode_profile,
)
from streams.errors import DependencyDownError
from workers.profile_restoration import RESTORED, STEP_PROFILES, ProfileRestoration
from workers.state.memory_store import MemoryStateStore
from workers.state.profile import profile_key, stored_profile
from workers.state.store import (
    VERSION_BYTES,
    CounterIncrement,
    FenceMove,
    StateChange,
    Write,
    pack_version,
)

HALF_LIFE_S = 1e12
SETTINGS = TransitionSettings(actions={"click": ActionRule(1.0), "skip": ActionRule(-1.0)}, history_items=50)


def profile_of(user_id: str, *item_ids: str, action: str = "click", first: int = 0) -> Profile:
    return more_of(Profile(user_id), *item_ids, action=action, first=first)


def more_of(before: Profile, *item_ids: str, action: str = "click", first: int = 0) -> Profile:
    events = [
        ProfileEvent(
            f"{before.user_id}-{first + number}",
            item_id,
            action,
            number,
            source=SourcePosition("uuid-one", 0, number),
        )
        for number, item_id in enumerate(item_ids, first)
    ]
    return apply_events(before, events, SETTINGS)[0]


async def begun(store: MemoryStateStore) -> ProfileRestoration:
    restoration = ProfileRestoration(store, "profile", HALF_LIFE_S)
    await restoration.begin()
    return restoration


async def stored(store: MemoryStateStore, user_id: str) -> Profile:
    (value,) = await store.load([profile_key(user_id)])
    return stored_profile(user_id, value)


async def fence(store: MemoryStateStore, source: str) -> int | None:
    return (await store.fences("profile", [source]))[0]


async def counters(store: MemoryStateStore) -> dict[str, float]:
    counted = (await store.counters_since(0.0)).counters
    return {item_id: round(counter.value, 6) for item_id, counter in counted.items()}


def restart_as(store: MemoryStateStore, snapshot: MemoryStateStore) -> None:
    """As a server that lost what came after the snapshot."""
    store.__dict__.update(copy.deepcopy(snapshot.__dict__ | {"_ticks": None}) | {"_ticks": store._ticks})


def snapshot_of(store: MemoryStateStore) -> MemoryStateStore:
    made = MemoryStateStore()
    restart_as(made, store)
    return made


async def test_newer_profiles_are_written_older_ones_are_not() -> None:
    store = MemoryStateStore()
    older, newer = profile_of("anna", "a", "b"), profile_of("anna", "a", "b", "c")
    restoration = await begun(store)
    for profile, written in ((older, 1), (older, 1), (newer, 2), (older, 2)):
        await restoration.write([profile])
        assert restoration.restored == written
    assert await stored(store, "anna") == newer
    assert restoration.reached == {"uuid-one/0": 3}


async def test_of_one_version_the_positions_of_repeated_events_are_written_too() -> None:
    """As the last of a partition they stand in the newest record alone."""
    store = MemoryStateStore()
    older = profile_of("anna", "a")
    newer = msgspec.structs.replace(older, applied={"uuid-one/0": 5})
    restoration = await begun(store)
    for profile in (older, newer, older):
        await restoration.write([profile])
    assert await stored(store, "anna") == newer


async def test_many_people_are_one_step() -> None:
    store = MemoryStateStore()
    people = [profile_of(f"user-{number}", "a") for number in range(STEP_PROFILES)]
    restoration = await begun(store)
    await restoration.write(people)
    assert restoration.restored == len(people)
    assert [await stored(store, one.user_id) for one in people] == people
    assert await counters(store) == {"a": len(people)}


async def test_item_counters_come_back_with_the_histories_each_event_once() -> None:
    store = MemoryStateStore()
    anna, ben = (
        profile_of("anna", "a", "b", "a"),
        more_of(profile_of("ben", "a"), "c", action="skip", first=1),
    )
    restoration = await begun(store)
    await restoration.write([anna, ben])
    await restoration.write([anna])
    assert await counters(store) == {"a": 3.0, "b": 1.0}
    await restoration.write([more_of(anna, "c", first=3)])
    assert await counters(store) == {"a": 3.0, "b": 1.0, "c": 1.0}


moments = st.lists(
    st.tuples(st.sampled_from(["anna", "ben"]), st.sampled_from("abc"), st.sampled_from(["click", "skip"])),
    max_size=30,
)


async def apply_one(store: MemoryStateStore, number: int, user_id: str, item_id: str, action: str) -> None:
    """As the profile role does."""
    before = await stored(store, user_id)
    after = more_of(before, item_id, action=action, first=number)
    expected = pack_version(before.version) if before.version else b""
    write = Write(profile_key(user_id), expected, pack_version(after.version) + encode_profile(after))
    counted = [CounterIncrement(item_id, 1.0, number / 1_000)] if action == "click" else []
    change = StateChange(writes=[write], increments=counted, counter_half_life_s=HALF_LIFE_S)
    assert await store.commit("profile", change)


@given(moments, st.integers(0, 30))
async def test_a_state_set_back_to_any_moment_ends_as_if_it_had_never_been(
    taken: list[tuple[str, str, str]], kept: int
) -> None:
    """Profiles and counters alike: what is restored is counted, what was there is not counted again."""
    whole, set_back = MemoryStateStore(), MemoryStateStore()
    for number, moment in enumerate(taken):
        await apply_one(whole, number, *moment)
        if number < kept:
            await apply_one(set_back, number, *moment)
    restoration = await begun(set_back)
    everybody = [await stored(whole, user_id) for user_id in ("anna", "ben")]
    await restoration.write(everybody)
    assert [await stored(set_back, one.user_id) for one in everybody] == everybody
    assert await counters(set_back) == await counters(whole)


async def test_what_a_worker_did_meanwhile_costs_only_that_person() -> None:
    class Busy(MemoryStateStore):
        """Where a worker that does not know of the loss writes a stranger's profile between two steps."""

        async def load(self, keys: Sequence[str]) -> list[bytes | None]:
            found = await super().load(keys)
            if profile_key("anna") in keys and len(self.writes) < 2:
                self.writes.append(found)
                write = Write(
                    profile_key("anna"),
                    (found[0] or b"")[:VERSION_BYTES],
                    pack_version(len(self.writes)) + stranger[len(self.writes) - 1],
                )
                assert await self.commit("profile", StateChange(writes=[write]))
            return found

        writes: list[object]

    stranger = [msgspec.msgpack.encode(profile_of("anna", *"xy"[:events])) for events in (1, 2)]
    store = Busy()
    store.writes = []
    anna, ben = profile_of("anna", "a", "b", "c"), profile_of("ben", "a")
    restoration = await begun(store)
    await restoration.write([anna, ben])
    assert len(store.writes) == 2
    assert (await stored(store, "anna"), await stored(store, "ben")) == (anna, ben)
    assert restoration.restored == 2


@pytest.mark.parametrize("emptied", [True, False])
@pytest.mark.parametrize("last", ["write", "finish"])
async def test_a_state_that_is_lost_again_is_noticed(emptied: bool, last: str) -> None:
    """Emptied, or set back to when a part of the profiles was there."""
    store = MemoryStateStore()
    restoration = await begun(store)
    await restoration.write([profile_of("anna", "a")])
    snapshot = MemoryStateStore() if emptied else snapshot_of(store)
    await restoration.write([profile_of("ben", "a")])
    restart_as(store, snapshot)
    step = (
        restoration.write([profile_of("cleo", "a")])
        if last == "write"
        else restoration.finish({"uuid-one:0": 1})
    )
    with pytest.raises(DependencyDownError, match="lost again"):
        await step
    assert await fence(store, "uuid-one:0") is None


async def test_fences_move_to_what_need_not_be_read_again() -> None:
    store = MemoryStateStore()
    assert await (await begun(store)).finish({"uuid:0": 7, "uuid:1": 0})
    assert await store.fences("profile", ["uuid:0", "uuid:1", RESTORED]) == [7, None, 1]
    # Set back later: forward alone, as a worker may be further than what it has acknowledged.
    moved = StateChange(fences=[FenceMove("uuid:0", 7, 20)])
    assert await store.commit("profile", moved)
    assert await (await begun(store)).finish({"uuid:0": 15, "uuid:1": 4})
    assert await store.fences("profile", ["uuid:0", "uuid:1", RESTORED]) == [20, 4, 2]


async def test_a_partition_begun_before_the_loss_was_noticed_is_read_from_its_start() -> None:
    store = MemoryStateStore()
    assert await store.commit("profile", StateChange(fences=[FenceMove("uuid:2", None, 3)]))
    assert await (await begun(store)).finish({"uuid:0": 7, "uuid:2": 3})
    assert await store.fences("profile", ["uuid:0", "uuid:2"]) == [7, 0]


async def test_of_several_workers_that_restore_one_moves_the_fences() -> None:
    store = MemoryStateStore()
    first, second = await begun(store), await begun(store)
    assert await first.finish({"uuid:0": 7})
    assert await store.commit("profile", StateChange(fences=[FenceMove("uuid:0", 7, 9)]))
    assert not await second.finish({"uuid:0": 8})
    assert await fence(store, "uuid:0") == 9


async def test_the_other_is_believed_only_while_its_state_is_there() -> None:
    store = MemoryStateStore()
    first, second = await begun(store), await begun(store)
    await second.write([profile_of("anna", "a")])
    assert await first.finish({"uuid:0": 7})
    lost = MemoryStateStore()
    assert await lost.commit("profile", StateChange(fences=[FenceMove(RESTORED, None, 1)]))
    restart_as(store, lost)
    with pytest.raises(DependencyDownError, match="lost again"):
        await second.finish({"uuid:0": 8})


async def test_a_fence_that_moves_meanwhile_is_read_again() -> None:
    class Moving(MemoryStateStore):
        moves = 0

        async def fences(self, role: str, sources: Sequence[str]) -> list[int | None]:
            found = await super().fences(role, sources)
            if "uuid:0" in sources and self.moves < 2:
                self.moves += 1
                move = FenceMove("uuid:0", found[sources.index("uuid:0")], self.moves)
                assert await self.commit(role, StateChange(fences=[move]))
            return found

    store = Moving()
    assert await (await begun(store)).finish({"uuid:0": 7})
    assert await store.fences("profile", ["uuid:0", RESTORED]) == [0, 1]
