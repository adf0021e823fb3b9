"""`freshet evaluate`: how good lists are."""

from __future__ import annotations

import click

from workers.cli.lazy_group import LazyGroup

EVALUATIONS = {
    "prequential": (
        "workers.cli.evaluate_prequential",
        "Replay a log: rank each event before it is learned, and measure.",
    ),
    "offline": (
        "workers.cli.evaluate_offline",
        "Compare models on a data set that is split: validation chooses, the test is read at the end.",
    ),
    "language-model": (
        "workers.cli.evaluate_language_model",
        "Whether a language model helps, in the order of lists or in what is known of items.",
    ),
    "outcomes": ("workers.cli.evaluate_outcomes", "What people did with the lists that they were shown."),
    "off-policy": (
        "workers.cli.evaluate_off_policy",
        "What another policy would have brought, from lists with propensities.",
    ),
}


@click.group(cls=LazyGroup, modules=EVALUATIONS)
def evaluate() -> None:
    """Measure how good lists are: before anybody sees them, or by what people did with them."""
