"""What is remembered of a person, and the vector of their taste."""

from models.profile.hashing import hash64
from models.profile.state import HistoryEntry, Profile, decode_profile, encode_profile, new_profile
from models.profile.taste import Taste, TasteSettings, taste, taste_from_seeds
from models.profile.transition import (
    ActionRule,
    Effect,
    ProfileEvent,
    SourcePosition,
    TransitionSettings,
    apply_event,
    apply_events,
    source_key,
)

__all__ = [
    "ActionRule",
    "Effect",
    "HistoryEntry",
    "Profile",
    "ProfileEvent",
    "SourcePosition",
    "Taste",
    "TasteSettings",
    "TransitionSettings",
    "apply_event",
    "apply_events",
    "decode_profile",
    "encode_profile",
    "hash64",
    "new_profile",
    "source_key",
    "taste",
    "taste_from_seeds",
]
