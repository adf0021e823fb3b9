"""User models: from what a person did to one or more vectors in the space of items. No item ids."""

from models.user.decayed_mean import DecayedMean
from models.user.history import UserHistory
from models.user.interface import UserModel
from models.user.multi_interest import MultiInterest

__all__ = ["DecayedMean", "MultiInterest", "UserHistory", "UserModel"]
