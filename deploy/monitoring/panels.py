"""What the dashboard shows: rows of panels, each with its queries, as data.

Queries use Grafana's ``$__rate_interval``, and ``$role`` for the roles chosen above the panels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PanelKind = Literal["timeseries", "stat"]
Unit = Literal["short", "s", "percentunit", "bytes", "ops", "none"]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression in PromQL, and the legend of its series."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the dashboard."""

    title: str
    meaning: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: PanelKind = "timeseries"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that answer one question."""

    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, by: str = "", selector: str = "") -> str:
    total = f"sum by ({by})" if by else "sum"
    return f"{total} (rate({metric}{selector}[$__rate_interval]))"


def _quantiles(
    metric: str, by: str = "", selector: str = "", quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
) -> tuple[Query, ...]:
    """``histogram_quantile`` over the rate of a histogram's buckets, one query a quantile."""
    labels = f"le, {by}" if by else "le"
    prefix = f"{{{{{by}}}}} " if by else ""
    return tuple(
        Query(
            f"histogram_quantile({quantile}, {_rate(metric + '_bucket', labels, selector)})",
            f"{prefix}p{quantile * 100:g}",
        )
        for quantile in quantiles
    )


def _mean(metric: str, by: str = "") -> str:
    return f"{_rate(metric + '_sum', by)} / {_rate(metric + '_count', by)}"


_ROLE = '{role=~"$role"}'
_ARM = "model, experiment, arm"
_ARM_LEGEND = "{{model}} {{experiment}} {{arm}}"

ROWS: tuple[Row, ...] = (
    Row(
        "Is it well?",
        (
            Panel(
                "Workers ready",
                "Workers in their group that work, by role.",
                "none",
                (Query(f"sum by (role) (freshet_ready{_ROLE})", "{{role}}"),),
                "stat",
            ),
            Panel(
                "Waiting for a dependency",
                "For how long a role has waited for Kafka, Redis or an endpoint that is down.",
                "s",
                (Query(f"max by (role) (freshet_paused_seconds{_ROLE})", "{{role}}"),),
            ),
            Panel(
                "Records that wait",
                "Records in Kafka that are not done, by role and topic.",
                "short",
                (Query(f"sum by (role, topic) (freshet_lag_records{_ROLE})", "{{role}} {{topic}}"),),
            ),
            Panel(
                "Dead letters",
                "What could not be processed, by stage and reason; `freshet dead-letters list` shows each.",
                "ops",
                (
                    Query(_rate("freshet_dead_letters_total", "stage, reason"), "{{stage}} {{reason}}"),
                    Query(_rate("freshet_dead_letters_without_payload_total"), "without their payload"),
                ),
            ),
        ),
    ),
    Row(
        "Lists",
        (
            Panel(
                "From cause to list",
                "From Kafka's timestamp of an event or a request until Kafka has acknowledged its list.",
                "s",
                _quantiles("freshet_cause_to_list_seconds", "cause"),
            ),
            Panel(
                "Time to make a list",
                "Candidates, scores, re-ranking and reasons of one list.",
                "s",
                _quantiles("freshet_list_seconds"),
            ),
            Panel(
                "Lists",
                "Lists published, by cause, and changes of a profile that a newer list of the person covers.",
                "ops",
                (
                    Query(_rate("freshet_lists_total", "cause"), "{{cause}}"),
                    Query(
                        _rate("freshet_causes_coalesced_total"),
                        "covered by a newer list",
                    ),
                ),
            ),
            Panel(
                "Short, stale, refused and refined",
                "Lists with fewer items than asked for, answers before their event, refused requests, and "
                "what became of lists that a language model was asked to refine.",
                "ops",
                (
                    Query(_rate("freshet_lists_short_total"), "short"),
                    Query(_rate("freshet_lists_stale_total"), "stale"),
                    Query(_rate("freshet_requests_refused_total", "reason"), "refused: {{reason}}"),
                    Query(_rate("freshet_lists_refined_total", "outcome"), "refined: {{outcome}}"),
                ),
            ),
        ),
    ),
    Row(
        "The flow",
        (
            Panel(
                "Records in",
                "Records handed to each role.",
                "ops",
                (Query(_rate("freshet_records_in_total", "role, topic", _ROLE), "{{role}} {{topic}}"),),
            ),
            Panel(
                "Records out",
                "Records that each role published and Kafka acknowledged.",
                "ops",
                (Query(_rate("freshet_records_out_total", "role, topic", _ROLE), "{{role}} {{topic}}"),),
            ),
            Panel(
                "Records in a batch",
                "The mean size of the batches that each role was handed.",
                "short",
                (Query(_mean("freshet_batch_records", "role"), "{{role}}"),),
            ),
            Panel(
                "Time of a batch",
                "The role's call for one batch.",
                "s",
                _quantiles("freshet_process_seconds", "role", _ROLE, (0.99,)),
            ),
            Panel(
                "In flight",
                "Records read from Kafka and not done.",
                "short",
                (Query(f"sum by (role) (freshet_in_flight_records{_ROLE})", "{{role}}"),),
            ),
            Panel(
                "Conflicts and restarts",
                "Batches planned again as another worker had changed the same state, and consumers replaced.",
                "short",
                (
                    Query(_rate("freshet_state_conflicts_total", "role", _ROLE), "{{role}} conflicts/s"),
                    Query(f"sum by (role) (freshet_consumer_restarts{_ROLE})", "{{role}} consumers replaced"),
                ),
            ),
            Panel(
                "Memory of each worker",
                "Resident memory of the process.",
                "bytes",
                (Query("process_resident_memory_bytes", "{{job}} {{instance}}"),),
            ),
            Panel(
                "Processor time of each worker",
                "Cores in use.",
                "none",
                (Query("rate(process_cpu_seconds_total[$__rate_interval])", "{{job}} {{instance}}"),),
            ),
        ),
    ),
    Row(
        "Items",
        (
            Panel(
                "Items in the index",
                "Items that each recommend worker can recommend.",
                "short",
                (Query("freshet_index_items", "{{instance}}"),),
                "stat",
            ),
            Panel(
                "Encoded",
                "Items encoded and items taken over as unchanged, by modality.",
                "ops",
                (
                    Query(_rate("freshet_encoded_total", "modality"), "{{modality}}"),
                    Query(_rate("freshet_encode_unchanged_total", "modality"), "{{modality}} unchanged"),
                ),
            ),
            Panel(
                "Not encoded",
                "Items whose modality could not be encoded, by reason.",
                "ops",
                (Query(_rate("freshet_encode_failed_total", "modality, reason"), "{{modality}} {{reason}}"),),
            ),
            Panel(
                "Time of an encoder's run",
                "One run of the network over a batch.",
                "s",
                _quantiles("freshet_encode_batch_seconds", "modality", "", (0.99,)),
            ),
            Panel(
                "Vectors",
                "Fused vectors published and withdrawn.",
                "ops",
                (
                    Query(_rate("freshet_vectors_published_total"), "published"),
                    Query(_rate("freshet_vectors_withdrawn_total"), "withdrawn"),
                ),
            ),
        ),
    ),
    Row(
        "People and learning",
        (
            Panel(
                "Events",
                "Valid events by effect, and those that were refused.",
                "ops",
                (
                    Query(_rate("freshet_profile_events_total", "effect"), "{{effect}}"),
                    Query(_rate("freshet_events_refused_total", "reason"), "refused: {{reason}}"),
                ),
            ),
            Panel(
                "Surprise",
                "Mean negative log-likelihood of what people did, before it was learned: lower is better.",
                "none",
                (
                    Query(
                        _mean("freshet_learn_loss"),
                        "nats",
                    ),
                ),
            ),
            Panel(
                "Learned from",
                "Events that the models in use were learned from.",
                "short",
                (Query("max by (model) (freshet_learned_step)", "{{model}}"),),
            ),
            Panel(
                "Drift alarms and training",
                "Times that the last good weights came back, and models of sources trained anew, in an hour.",
                "short",
                (
                    Query("sum(increase(freshet_learn_drift_total[1h]))", "drift alarms"),
                    Query("sum(increase(freshet_refit_seconds_count[1h]))", "trained anew"),
                ),
            ),
        ),
    ),
    Row(
        "Outcomes",
        (
            Panel(
                "Click-through",
                "Lists with a positive outcome among lists shown, by model and arm, over an hour.",
                "percentunit",
                (
                    Query(
                        f"sum by ({_ARM}) (increase(freshet_join_lists_with_positive_total[1h]))"
                        f" / sum by ({_ARM}) (increase(freshet_join_lists_total[1h]))",
                        _ARM_LEGEND,
                    ),
                ),
            ),
            Panel(
                "Conversion",
                "Lists with a conversion among lists shown, over an hour.",
                "percentunit",
                (
                    Query(
                        f"sum by ({_ARM}) (increase(freshet_join_lists_with_conversion_total[1h]))"
                        f" / sum by ({_ARM}) (increase(freshet_join_lists_total[1h]))",
                        _ARM_LEGEND,
                    ),
                ),
            ),
            Panel(
                "Coverage",
                "Distinct items shown today among those in the index.",
                "percentunit",
                (
                    Query(
                        f"max by ({_ARM}) (freshet_join_covered_items)"
                        " / on () group_left () max(freshet_index_items)",
                        _ARM_LEGEND,
                    ),
                ),
            ),
            Panel(
                "Novelty",
                "Mean self-information of the items shown: higher is less popular.",
                "none",
                (
                    Query(
                        f"sum by ({_ARM}) (increase(freshet_join_novelty_bits_total[1h]))"
                        f" / sum by ({_ARM}) (increase(freshet_join_items_total[1h]))",
                        _ARM_LEGEND,
                    ),
                ),
            ),
            Panel(
                "Events without their list",
                "Events that were not joined with a list, by reason.",
                "ops",
                (Query(_rate("freshet_join_unmatched_total", "reason"), "{{reason}}"),),
            ),
        ),
    ),
    Row(
        "Words",
        (
            Panel(
                "Items with words",
                "By how they got them.",
                "ops",
                (Query(_rate("freshet_explained_items_total", "how"), "{{how}}"),),
            ),
            Panel(
                "Waiting and skipped",
                "Lists that wait for words, and those that got none.",
                "short",
                (
                    Query("sum(freshet_explanations_waiting_lists)", "waiting"),
                    Query(_rate("freshet_explanations_skipped_total", "reason"), "skipped/s: {{reason}}"),
                ),
            ),
            Panel(
                "The language model",
                "Tries at the endpoint by outcome, and whether it is left alone.",
                "short",
                (
                    Query(_rate("freshet_language_model_calls_total", "outcome"), "{{outcome}}/s"),
                    Query("max(freshet_language_model_circuit_open)", "left alone"),
                ),
            ),
            Panel(
                "Cost",
                "What tokens cost in an hour, by the prices in the settings.",
                "none",
                (Query("sum(increase(freshet_language_model_cost_total[1h]))", "currency"),),
            ),
        ),
    ),
)
