"""Circuit breaker, budget of tokens and cache, by a clock of the test's own."""

from __future__ import annotations

from workers.explaining.words_cache import WordsCache
from workers.language_model.circuit_breaker import CircuitBreaker
from workers.language_model.token_budget import TokenBudget


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_breaker_opens_tries_once_after_its_pause_and_closes_again() -> None:
    clock = Clock()
    breaker = CircuitBreaker(2, 30.0, clock)
    assert breaker.admit()
    breaker.failed()
    assert breaker.admit()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.admit()
    clock.now_s += 30
    assert breaker.admit()
    assert not breaker.admit()  # one at a time
    breaker.failed()
    assert not breaker.admit()
    clock.now_s += 30
    assert breaker.admit()
    breaker.abandoned()
    assert breaker.admit()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.admit()
    assert breaker.admit()


def test_a_success_forgets_the_failures_before() -> None:
    breaker = CircuitBreaker(2, 30.0, Clock())
    for _ in range(3):
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_a_budget_holds_in_each_window() -> None:
    clock = Clock()
    budget = TokenBudget(100, 150, clock)
    assert budget.reserve(80)
    assert not budget.reserve(30)
    budget.settle(80, 60)
    assert budget.reserve(40)
    assert not budget.reserve(1)
    clock.now_s += 60
    assert budget.reserve(50)
    assert not budget.reserve(10)  # of the day
    clock.now_s += 86_400
    assert budget.reserve(100)


def test_a_budget_tells_what_it_never_has_room_for() -> None:
    budget = TokenBudget(100, 0, Clock())
    assert budget.reserve(100)
    assert budget.has_room(100)  # later
    assert not budget.has_room(101)


def test_a_budget_of_0_sets_no_limit() -> None:
    assert TokenBudget(0, 0, Clock()).reserve(10**12)


def test_a_cache_keeps_what_was_used_last_and_forgets_refusals_in_time() -> None:
    clock = Clock()
    cache = WordsCache(2, 60.0, clock)
    cache.keep(b"a", "A")
    cache.keep(b"b", "B")
    assert cache.find(b"a") == "A"
    cache.refuse(b"c")
    assert cache.find(b"b") is None
    assert cache.find(b"a") == "A"
    assert cache.is_refused(b"c")
    assert cache.find(b"c") is None
    clock.now_s += 60
    assert not cache.is_refused(b"c")


def test_a_cache_of_0_entries_keeps_nothing() -> None:
    cache = WordsCache(0, 60.0, Clock())
    cache.keep(b"a", "A")
    cache.refuse(b"b")
    assert cache.find(b"a") is None
    assert not cache.is_refused(b"b")
