"""What is known of a candidate for a person at a moment, as numbers that a ranker weighs."""

from models.signals.situation import Situation

__all__ = ["Situation"]
