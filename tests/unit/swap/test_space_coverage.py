"""Whether a new space has all that the old one has, through any order of what is put and removed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.internal_messages import ItemVersion
from workers.space_coverage import GRACE_S, Coverage

Held = dict[str, tuple[ItemVersion, int]]
items = st.sampled_from("abcd")
changes = st.lists(
    st.tuples(st.booleans(), items, st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=40
)


def version(offset: int) -> ItemVersion:
    return ItemVersion(1, 0, offset, 0)


def behind(old: Held, new: Held) -> set[str]:
    """By definition: what is not in the new space as it is in the old one, or newer."""
    missing = {
        item
        for item, (held, revision) in old.items()
        if item not in new or (new[item][0].offset, new[item][1]) < (held.offset, revision)
    }
    return missing | (new.keys() - old.keys())


@given(changes, st.integers(0, 40))
def test_it_counts_what_is_behind_whatever_comes(
    history: list[tuple[bool, str, int, int, bool]], begin: int
) -> None:
    old: Held = {}
    new: Held = {}
    coverage = None
    for at, (is_new, item, offset, revision, remove) in enumerate(history):
        if at == begin:
            coverage = Coverage(old, new, lambda: 0.0)
        side = new if is_new else old
        if remove:
            side.pop(item, None)
        else:
            side[item] = (version(offset), revision)
        if coverage is not None:
            coverage.touch(item)
            assert coverage.behind == len(behind(old, new))


def test_all_that_there_was_must_come_and_what_is_new_may_be_on_its_way() -> None:
    now_s = [0.0]
    old: Held = {"a": (version(1), 1), "b": (version(2), 1)}
    new: Held = {}
    coverage = Coverage(old, new, lambda: now_s[0])
    assert (coverage.covered, coverage.is_complete) == (0, False)
    new["a"] = old["a"]
    coverage.touch("a")
    now_s[0] = 0.1
    assert (coverage.covered, coverage.is_complete) == (1, False), "b was there before it began"
    new["b"] = old["b"]
    coverage.touch("b")
    assert coverage.is_complete
    old["c"] = (version(3), 1)
    coverage.touch("c")
    assert coverage.is_complete, "it came this moment"
    now_s[0] += GRACE_S + 0.1
    assert not coverage.is_complete, "and it should have come to the new space by now"
    new["c"] = (version(3), 1)
    coverage.touch("c")
    old.pop("a")
    coverage.touch("a")
    now_s[0] += GRACE_S + 0.1
    assert not coverage.is_complete, "a withdrawn item would be listed again"
    new.pop("a")
    coverage.touch("a")
    assert coverage.is_complete


def test_where_nobody_keeps_the_old_space_what_only_the_new_one_has_counts() -> None:
    new: Held = {"a": (version(1), 1)}
    assert Coverage({}, new, lambda: 0.0, old_is_kept=False).is_complete
    old: Held = {"a": (version(1), 1), "withdrawn since": (version(1), 1)}
    following = Coverage(old, new, lambda: 0.0, old_is_kept=False)
    assert (following.is_complete, following.behind) == (True, 0)
    assert Coverage(old, {}, lambda: 0.0, old_is_kept=False).behind == 0
    assert not Coverage(old, new, lambda: 0.0).is_complete
    assert not Coverage({}, new, lambda: 0.0).is_complete
