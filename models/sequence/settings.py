"""Sizes and training of the sequence model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """Sizes and training of a `SequenceModel`; the defaults were chosen on MovieLens-100K rows < 50,000."""

    dimension: int = 96
    heads: int = 4
    window: int = 100
    """Newest entries of a history that are read."""
    chunk: int = 32
    """Consecutive targets of one person that share a gathered history in a batch."""
    chunks_per_batch: int = 8
    learning_rate: float = 3e-3
    refit_rate: float = 1e-3
    final_rate: float = 0.1
    """Fraction of the rate reached at the end of a fit."""
    decay: float = 0.0
    """Decoupled weight decay of embeddings and maps, as a fraction of the rate."""
    dropout: float = 0.5
    """Share of the coordinates of x dropped in training (inverted dropout)."""
    entry_dropout: float = 0.2
    """Share of history entries dropped in training."""
    positive_grade: int = 4
    low_weight: float = 0.3
    """Weight of targets below `positive_grade`."""
    half_life: float = 0.0
    """Targets after which a target's weight has halved; 0 for no forgetting."""
    jitter_ms: int = 10_000
    """Random delay of each entry before ordering in training, so that order at this scale is not learned."""
    backwards: bool = True
    """Whether every epoch also reads the histories from their end to their start."""
    full_softmax: int = 5_000
    """Largest catalogue whose every item is a negative; above it negatives are sampled."""
    sampled: int = 2_048
    """Uniform negatives a batch above `full_softmax` items."""
    scale: float = 0.05
    """Standard deviation of initial embeddings."""
