"""People are put into arms by a hash alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import SettingError
from models.experiments import Assignment

PEOPLE = [f"person-{number}" for number in range(20_000)]


def test_an_assignment_stays_the_same_for_ever() -> None:
    """Of recorded lists and outcomes some would be of another arm otherwise."""
    assignment = Assignment("autumn", {"bold": 0.25, "calm": 0.25})
    found = {person: assignment.arm_of(person) for person in ["anna", "ben", "cleo", "dora", "émile", "李"]}
    assert found == {
        "anna": None,
        "ben": None,
        "cleo": "calm",
        "dora": "calm",
        "émile": "bold",
        "李": "bold",
    }


def test_arms_have_their_shares_of_people() -> None:
    shares = {"a": 0.1, "b": 0.35, "c": 0.05}
    assignment = Assignment("salt", shares)
    found = Counter(assignment.arm_of(person) for person in PEOPLE)
    for name, share in [*shares.items(), (None, 0.5)]:
        deviation = (share * (1 - share) / len(PEOPLE)) ** 0.5
        assert abs(found[name] / len(PEOPLE) - share) < 4 * deviation


def test_another_salt_shuffles_people_independently() -> None:
    one, other = Assignment("one", {"a": 0.5}), Assignment("other", {"a": 0.5})
    pairs = Counter((one.arm_of(person), other.arm_of(person)) for person in PEOPLE)
    assert len(pairs) == 4
    assert all(abs(count / len(PEOPLE) - 0.25) < 0.02 for count in pairs.values())


def test_salt_and_person_do_not_run_together() -> None:
    shares = {str(number): 0.01 for number in range(100)}
    pairs = [
        (Assignment("ab", shares).arm_of(f"c{n}"), Assignment("a", shares).arm_of(f"bc{n}"))
        for n in range(50)
    ]
    assert sum(one == other for one, other in pairs) < 10


@given(st.text(), st.text(), st.permutations(["a", "b", "c"]))
def test_the_order_of_the_arms_does_not_matter(salt, person, order) -> None:
    assert Assignment(salt, dict.fromkeys(order, 0.3)).arm_of(person) == Assignment(
        salt, dict.fromkeys("abc", 0.3)
    ).arm_of(person)


def test_shares_that_sum_to_one_leave_nobody_over() -> None:
    assignment = Assignment("salt", {str(number): 0.1 for number in range(10)})
    assert None not in {assignment.arm_of(person) for person in PEOPLE}


@pytest.mark.parametrize("shares", [{"a": 0.0}, {"a": -0.1}, {"a": 0.6, "b": 0.5}, {"a": float("nan")}])
def test_shares_out_of_bounds_are_refused(shares) -> None:
    with pytest.raises(SettingError, match="sum to 1"):
        Assignment("salt", shares)
