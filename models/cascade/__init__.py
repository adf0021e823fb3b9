"""The cascade: candidates from many sources, signals, a ranker that learns from what people do."""

from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking

__all__ = ["Interaction", "Person", "Ranking"]
