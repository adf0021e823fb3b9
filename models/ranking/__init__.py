"""From a profile and the index to a list with reasons."""

from models.ranking.list_request import ListOrder, ListQuery, ListResult, make_list, make_lists
from models.ranking.reasons import Reason, ScoredItem
from models.ranking.scoring import RankingSettings

__all__ = [
    "ListOrder",
    "ListQuery",
    "ListResult",
    "RankingSettings",
    "Reason",
    "ScoredItem",
    "make_list",
    "make_lists",
]
