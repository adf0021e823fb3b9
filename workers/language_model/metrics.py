"""What calls of a language model count, whichever role makes them."""

from __future__ import annotations

from typing import Literal

from streams.metrics import counter, gauge, histogram
from workers.language_model.transport import NOT_MADE, Outcome

CALLS = counter(
    "freshet_language_model_calls_total",
    "calls",
    "Tries at the language model by outcome; over_budget, circuit_open, busy and loading were not made.",
    ("outcome",),
)
CALL_SECONDS = histogram("freshet_language_model_call_seconds", "seconds", "Time of each try that was made.")
TOKENS = counter(
    "freshet_language_model_tokens_total",
    "tokens",
    "Tokens of answers that came, as the model counts them: prompt, completion.",
    ("kind",),
)
COST = counter(
    "freshet_language_model_cost_total",
    "currency",
    "What those tokens cost by language_model.prompt_price and completion_price.",
)
CIRCUIT_OPEN = gauge(
    "freshet_language_model_circuit_open",
    "0 or 1",
    "Whether the language model fails and is left alone, by what it is for: each has a circuit of its own.",
    ("purpose",),
)

Purpose = Literal["explain", "enrich", "query", "refine", "evaluate"]


class LanguageModelMetrics:
    """Of a language model, and of what it is asked for."""

    def __init__(self, purpose: Purpose) -> None:
        self._circuit = CIRCUIT_OPEN.labels(purpose)
        self._circuit.set(0)

    def called(self, outcome: Outcome, seconds: float) -> None:
        """See `CallMetrics`."""
        CALLS.labels(outcome).inc()
        if outcome not in NOT_MADE:
            CALL_SECONDS.observe(seconds)

    def used(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """See `CallMetrics`."""
        TOKENS.labels("prompt").inc(prompt_tokens)
        TOKENS.labels("completion").inc(completion_tokens)
        COST.inc(cost)

    def circuit(self, *, is_open: bool) -> None:
        """See `CallMetrics`."""
        self._circuit.set(is_open)
