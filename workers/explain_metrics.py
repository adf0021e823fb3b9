"""What the explain role counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from streams.metrics import counter, gauge, histogram
from workers.explaining.generator import How
from workers.explaining.grounding import ComplaintKind
from workers.language_model.metrics import LanguageModelMetrics

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
TITLES = gauge("freshet_explain_titles", "items", "Items whose titles the explain worker holds.")


class ExplainMetrics(LanguageModelMetrics):
    """Of the explain role, its generator and its endpoint."""

    def __init__(self) -> None:
        super().__init__("explain")

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
