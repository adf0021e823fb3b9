"""`freshet train`: models from data."""

from __future__ import annotations

import click

from workers.cli.lazy_group import LazyGroup

TRAININGS = {
    "fusion": ("workers.cli.train_fusion", "A fusion of modalities, from what people take."),
    "text": ("workers.cli.train_text", "A text encoder that knows the words of one's own texts."),
    "user-model": ("workers.cli.train_user_model", "A sequence model of people, from what they do next."),
}


@click.group(cls=LazyGroup, modules=TRAININGS)
def train() -> None:
    """Train models. Needs the extra `train`; no worker does."""
