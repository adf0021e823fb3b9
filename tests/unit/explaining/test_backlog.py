"""Lists that wait for words: a bounded number, newest of each person first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.explaining.backlog import Backlog, Dropped


def backlog(lists: int, *added: str) -> tuple[Backlog[str], list[tuple[str, Dropped]]]:
    """With lists named `USER NUMBER`, and `!` where it was asked for; and what was dropped."""
    dropped: list[tuple[str, Dropped]] = []
    made: Backlog[str] = Backlog(lists, lambda value, why: dropped.append((value, why)))
    for one in added:
        made.add(one, one[0], is_asked_for=one.endswith("!"))
    return made, dropped


def drained(waiting: Backlog[str]) -> list[str]:
    return [waiting.pop() for _ in range(len(waiting))]


def test_each_persons_newest_comes_first_then_what_was_asked_for_then_what_came_last() -> None:
    waiting, dropped = backlog(9, "a1!", "b1", "a2", "c1!", "d1")
    assert drained(waiting) == ["c1!", "d1", "a2", "b1", "a1!"]
    assert dropped == []


def test_without_room_older_lists_of_a_person_go_first() -> None:
    waiting, dropped = backlog(2, "a1!", "a2", "b1")
    assert dropped == [("a1!", "newer_list")]
    waiting.add("c1!", "c", is_asked_for=True)
    assert dropped[1:] == [("a2", "no_room")]
    assert drained(waiting) == ["c1!", "b1"]


def test_the_person_whose_newest_was_taken_starts_anew() -> None:
    waiting, dropped = backlog(1, "a1")
    assert waiting.pop() == "a1"
    waiting.add("a2", "a", is_asked_for=False)
    assert drained(waiting) == ["a2"]
    assert dropped == []


def test_what_is_removed_is_not_dropped() -> None:
    waiting, dropped = backlog(9, "a1", "b1", "a2")
    assert waiting.remove(lambda one: one[0] == "a") == ["a1", "a2"]
    assert drained(waiting) == ["b1"]
    assert dropped == []


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), max_size=60), st.integers(1, 5)
)
def test_never_more_than_its_bound_and_each_list_is_once_popped_or_dropped(
    steps: list[tuple[str, bool, bool]], bound: int
) -> None:
    dropped: list[str] = []
    waiting: Backlog[str] = Backlog(bound, lambda value, why: dropped.append(value))
    added, popped = [], []
    newest: dict[str, str] = {}
    for number, (user, is_asked_for, pops) in enumerate(steps):
        name = f"{user}{number}"
        added.append(name)
        newest[user] = name
        waiting.add(name, user, is_asked_for=is_asked_for)
        assert len(waiting) <= bound
        if pops:
            popped.append(waiting.pop())
            assert newest[popped[-1][0]] == popped[-1] or not {*newest.values()} - {*popped, *dropped}
    popped += drained(waiting)
    assert sorted(popped + dropped) == sorted(added)
