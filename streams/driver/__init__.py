"""The driver: hands a role its records, and commits what is done. See `RoleRunner`."""

from streams.driver.delivery import (
    Delivery,
    Finish,
    GapHandler,
    PartitionListener,
    PoisonHandler,
    Processor,
    SourcePartition,
    StartPositions,
)
from streams.driver.runner import PartitionStats, RoleRunner, RunnerState, RunnerStats

__all__ = [
    "Delivery",
    "Finish",
    "GapHandler",
    "PartitionListener",
    "PartitionStats",
    "PoisonHandler",
    "Processor",
    "RoleRunner",
    "RunnerState",
    "RunnerStats",
    "SourcePartition",
    "StartPositions",
]
