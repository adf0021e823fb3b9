"""What a demo found: figures, and checks of them. The checks are data; the demo succeeds if all hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.demo.metrics import Account, Arrival, TastePrecision, percentile

MIN_TIMES_RANDOM = 3.0
MAX_ARRIVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold: its figure, and what is required, in words."""

    name: str
    figure: str
    required: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """Of events, from publishing to the first list that knows them, in milliseconds."""

    events: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Outage:
    """The worker that was killed, and how long no list knew anything newer."""

    role: str
    silence_s: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The summary of a demo. ``memory_bytes`` is PSS by process, at the moment when the sum was largest."""

    people: int
    items: int
    lists: int
    precision: Sequence[TastePrecision]
    arrivals: Sequence[Arrival]
    latency: Latency
    latency_without_outage: Latency
    outage: Outage
    account: Account
    unanswered: int
    dead_letters: Sequence[str]
    memory_bytes: Mapping[str, int]
    acting_s: float

    @property
    def checks(self) -> list[Check]:
        """Everything that must hold."""
        return [
            *(_precision_check(one) for one in self.precision),
            *(_arrival_check(one) for one in self.arrivals),
            _account_check(self.account),
            Check(
                "nothing was refused",
                f"{len(self.dead_letters)} dead letters",
                "none",
                not self.dead_letters,
            ),
        ]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)


def latency(seconds: Sequence[float]) -> Latency:
    """Percentiles of latencies."""
    return Latency(len(seconds), *(1_000 * percentile(seconds, share) for share in (0.5, 0.95, 0.99, 1.0)))


def _precision_check(one: TastePrecision) -> Check:
    return Check(
        f"precision@10, {one.taste}",
        f"{one.precision:.2f}, random {one.random:.2f}: {one.ratio:.1f} times",
        f"at least {MIN_TIMES_RANDOM:g} times random",
        not math.isnan(one.ratio) and one.ratio >= MIN_TIMES_RANDOM,
    )


def _arrival_check(one: Arrival) -> Check:
    return Check(
        f"new item {one.item_id} ({one.modality})",
        "in no list" if one.after_s is None else f"{one.after_s:.2f} s",
        f"in a matching list within {MAX_ARRIVAL_S:g} s",
        one.after_s is not None and one.after_s <= MAX_ARRIVAL_S,
    )


def _account_check(one: Account) -> Check:
    wrong = f"; wrong for {', '.join(one.wrong)}" if one.wrong else ""
    return Check(
        "events accounted for",
        f"{one.applied} of {one.published} applied, {one.sent_again} sent twice{wrong}",
        "each exactly once, for every person",
        not one.wrong and one.published > 0,
    )
