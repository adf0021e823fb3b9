"""Which events count where."""

from __future__ import annotations

import pytest

from models.evaluation.segments import HeldOutEvent, RanksOverTime, SegmentedRanks


def event(user: int = 9, item: int = 9, *, distinct: bool = False) -> HeldOutEvent:
    return HeldOutEvent(user, item, distinct)


@pytest.mark.parametrize(
    ("given", "segments"),
    [
        (event(), ()),
        (event(user=4), ("cold_users",)),
        (event(user=5), ()),
        (event(item=4), ("cold_items",)),
        (event(item=0, user=0, distinct=True), ("cold_users", "cold_items", "distinct_seconds")),
    ],
)
def test_segments_of_an_event(given: HeldOutEvent, segments: tuple[str, ...]) -> None:
    assert given.segments == segments


def test_each_segment_has_the_metrics_of_its_events() -> None:
    ranks = SegmentedRanks((20,))
    ranks.add(1, event(user=0))
    ranks.add(30, event())
    values = ranks.values()
    assert (values["n"], values["hr@20"]) == (2, 0.5)
    assert (values["cold_users"]["n"], values["cold_users"]["hr@20"]) == (1, 1.0)
    assert values["cold_items"]["n"] == 0


def test_windows_follow_each_other_and_the_last_may_be_short() -> None:
    windows = RanksOverTime(2, (20,))
    for number, rank in enumerate([1, 30, 2, 3, 40]):
        windows.add(rank, 1_000 * number)
    values = windows.values()
    assert [one["n"] for one in values] == [2, 2, 1]
    assert [one["hr@20"] for one in values] == [0.5, 1.0, 0.0]
    assert [(one["from_ms"], one["to_ms"]) for one in values] == [(0, 1_000), (2_000, 3_000), (4_000, 4_000)]
