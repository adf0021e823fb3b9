"""What the explain role counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from streams.metrics import counter, gauge, histogram
from workers.explaining.endpoint import Outcome
from workers.explaining.generator import How
from workers.explaining.grounding import ComplaintKind

Skip = Literal["newer_list", "no_room", "too_old", "waited"]

EXPLANATIONS = counter("freshet_explanations_total", "lists", "Lists that got words.")
SKIPPED = counter(
    "freshet_explanations_skipped_total",
    "lists",
    "Lists that wanted words and got none: newer_list (a newer one of the person, and no room for both), "
    "no_room (others came later or were asked for), too_old (explain.max_list_age_s), waited "
    "(explain.max_wait_s).",
    ("reason",),
)
WAITING = gauge("freshet_explanations_waiting_lists", "lists", "Lists that wait for words.")
EXPLAINED_ITEMS = counter(
    "freshet_explained_items_total",
    "items",
    "Items that got words, by how: template (the generator in use), accepted (the model's first answer), "
    "retried (its second), cached; else a template took over: refused (both answers failed a check), "
    "unavailable, late, suspicious (its text reads like instructions), beyond "
    "(language_model.written_items).",
    ("how",),
)
LATENCY = histogram(
    "freshet_list_to_explanation_seconds",
    "seconds",
    "From Kafka's timestamp of the list until Kafka has acknowledged its words.",
)
COMPLAINTS = counter(
    "freshet_language_model_complaints_total",
    "answers",
    "What checks found wrong with answers; an answer may have several.",
    ("complaint",),
)
CALLS = counter(
    "freshet_language_model_calls_total",
    "calls",
    "Tries at the endpoint by outcome; over_budget and circuit_open were not made.",
    ("outcome",),
)
CALL_SECONDS = histogram(
    "freshet_language_model_call_seconds", "seconds", "Time of each try at the endpoint that was made."
)
TOKENS = counter(
    "freshet_language_model_tokens_total",
    "tokens",
    "Tokens of answers that came, as the endpoint counts them: prompt, completion.",
    ("kind",),
)
COST = counter(
    "freshet_language_model_cost_total",
    "currency",
    "What those tokens cost by language_model.prompt_price and completion_price.",
)
CIRCUIT_OPEN = gauge(
    "freshet_language_model_circuit_open", "0 or 1", "Whether the endpoint fails and is left alone."
)
TITLES = gauge("freshet_explain_titles", "items", "Items whose titles the explain worker holds.")


class ExplainMetrics:
    """Of the explain role, its generator and its endpoint."""

    def explained(self, how: Iterable[How], seconds: float) -> None:
        """A list's words are published, so many seconds after the list."""
        EXPLANATIONS.inc()
        LATENCY.observe(max(0.0, seconds))  # two machines' clocks may differ by more
        for one, items in Counter(how).items():
            EXPLAINED_ITEMS.labels(one).inc(items)

    def skipped(self, reason: Skip) -> None:
        """A list that wanted words gets none."""
        SKIPPED.labels(reason).inc()

    def waiting(self, lists: int) -> None:
        """So many lists wait."""
        WAITING.set(lists)

    def titles(self, items: int) -> None:
        """Titles of so many items are held."""
        TITLES.set(items)

    def complaint(self, kind: ComplaintKind) -> None:
        """See `AnswerMetrics`."""
        COMPLAINTS.labels(kind).inc()

    def called(self, outcome: Outcome, seconds: float) -> None:
        """See `EndpointMetrics`."""
        CALLS.labels(outcome).inc()
        if outcome not in ("over_budget", "circuit_open"):
            CALL_SECONDS.observe(seconds)

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """See `EndpointMetrics`."""
        TOKENS.labels("prompt").inc(prompt_tokens)
        TOKENS.labels("completion").inc(completion_tokens)
        COST.inc(cost)

    def circuit(self, *, is_open: bool) -> None:
        """See `EndpointMetrics`."""
        CIRCUIT_OPEN.set(is_open)
