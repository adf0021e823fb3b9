"""What a worker holds from its start on is not looked at again and again."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from workers.garbage_collection import settle


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_is_left_out_of_passes() -> None:
    held = [[number] for number in range(1_000)]
    settle()
    assert gc.get_freeze_count() >= len(held)
    assert not any(one is held for one in gc.get_objects())


def test_cycles_made_later_are_still_collected() -> None:
    settle()
    cycle: list[object] = []
    cycle.append(cycle)
    assert sys.getrefcount(cycle) == 3
    del cycle
    assert gc.collect() >= 1


def test_what_was_left_out_is_let_go_of_when_a_role_begins_anew() -> None:
    class Held:
        itself: Held

    held = Held()
    held.itself = held
    gone = weakref.ref(held)
    settle()
    del held
    gc.collect()
    assert gone() is not None, "it was left out"
    settle()
    assert gone() is None
