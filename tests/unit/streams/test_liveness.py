"""A worker is dead where records wait and nothing is committed, and only there."""

from __future__ import annotations

from streams.liveness import Liveness, Sample

P0, P1 = ("events", "uuid", 0), ("events", "uuid", 1)


def sample(at_s: float, lag: int, waits_for: str | None = None, **committed: int) -> Sample:
    offsets = {("events", "uuid", int(name[1:])): offset for name, offset in committed.items()}
    return Sample(at_s, lag, offsets, waits_for)


def test_idle_for_ever_is_alive() -> None:
    liveness = Liveness(60)
    for at_s in (0, 100, 10_000):
        verdict = liveness.observe(sample(at_s, 0, p0=5))
        assert (verdict.alive, verdict.state) == (True, "idle")


def test_lag_without_commits_is_dead_after_the_time_and_not_before() -> None:
    liveness = Liveness(60)
    liveness.observe(sample(0, 0, p0=5))
    assert liveness.observe(sample(60, 3, p0=5)).alive
    verdict = liveness.observe(sample(61, 9, p0=5))
    assert (verdict.alive, verdict.state, verdict.stalled_for_s) == (False, "stalled", 61)
    assert "9 records wait" in verdict.reason


def test_a_commit_on_any_partition_is_progress_however_the_lag_grows() -> None:
    liveness = Liveness(60)
    for step in range(10):
        verdict = liveness.observe(sample(50.0 * step, 1_000 * (step + 1), p0=step, p1=0))
        assert (verdict.alive, verdict.state) == (True, "progressing")


def test_a_dependency_that_is_down_is_waited_for_and_then_the_time_is_whole_again() -> None:
    liveness = Liveness(60)
    liveness.observe(sample(0, 5, p0=5))
    for at_s in (50, 100, 1_000):
        verdict = liveness.observe(sample(at_s, 5, "Kafka", p0=5))
        assert (verdict.alive, verdict.state) == (True, "waiting")
    assert liveness.observe(sample(1_060, 5, p0=5)).alive
    assert not liveness.observe(sample(1_061, 5, p0=5)).alive


def test_a_group_that_rebalances_for_ever_is_no_progress() -> None:
    liveness = Liveness(60)
    verdicts = [
        liveness.observe(sample(at_s, 7, **({"p0": 5} if at_s % 20 else {"p1": 5})))
        for at_s in range(0, 90, 10)
    ]
    assert [verdict.alive for verdict in verdicts] == [True] * 7 + [False] * 2


def test_alive_again_once_it_commits() -> None:
    liveness = Liveness(60)
    liveness.observe(sample(0, 5, p0=5))
    assert not liveness.observe(sample(100, 5, p0=5)).alive
    assert liveness.observe(sample(101, 4, p0=6)).alive
