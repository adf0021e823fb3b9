"""The short form: some hundred broken inputs a target. `python -m tests.fuzz` goes on as long as wanted."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import TARGET_NAMES
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS

INPUTS = 300


def test_the_command_knows_every_target() -> None:
    assert set(TARGET_NAMES) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_well_formed_inputs_are_accepted(name: str) -> None:
    target = TARGETS[name]
    assert target.seeds()
    assert all(target(seed) for seed in target.seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_broken_inputs_raise_nothing_but_what_is_documented(name: str) -> None:
    target = TARGETS[name]
    accepted = sum(map(target, mutated(target.seeds(), INPUTS, seed=1, max_bytes=target.max_bytes)))
    # Some are refused, where any may be: what breaks inputs does break them.
    assert accepted < INPUTS or not target.allowed
