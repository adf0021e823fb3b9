"""What people did with which items, across all of them: bounded, in memory, taken in event by event."""

from models.interactions.memory import HISTORY_ENTRIES, History, InteractionMemory, InteractionSettings

__all__ = ["HISTORY_ENTRIES", "History", "InteractionMemory", "InteractionSettings"]
