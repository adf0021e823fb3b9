"""What a role sees of Kafka: records on loan, and the hooks that it may implement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from streams.records import Record


class SourcePartition(NamedTuple):
    """A partition of one life of a topic: deleted and created again, it has another ``topic_uuid``."""

    topic: str
    topic_uuid: str
    partition: int


class Delivery(msgspec.Struct, eq=False, gc=False):
    """One record on loan.

    The role says `done` once the record's effect and its outputs are acknowledged. Until then the record
    counts against the worker's budget, and no commit passes it. To be used from the event loop's thread.

    Attributes:
        record: What was read.
        finisher: What `done` calls.
        is_done: Whether `done` was called.
    """

    record: Record
    finisher: Callable[[Delivery], None]
    is_done: bool = False

    def done(self) -> None:
        """The record needs nothing more. Again, or after its partition was taken away, it has no effect."""
        if not self.is_done:
            self.is_done = True
            self.finisher(self)


Finish = Callable[[], Awaitable[None]]


class Processor(Protocol):
    """A role's logic. All calls come from one event loop."""

    async def start(self) -> None:
        """Get ready; the role joins its group only afterwards."""

    async def stop(self) -> None:
        """Give back what `start` took; no further call comes."""

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Work on 1 to ``batch_records`` records, in order within each partition.

        One call at a time. It may return before all are done, and call `Delivery.done` later. What it leaves
        undone when it raises is handed in again.

        Raises:
            DependencyDownError, ConfigurationError: Nothing is wrong with the records: the driver waits, and
                hands them in again.
            Exception: A defect: the driver hands the records in one by one; one that fails alone is
                given to ``on_poison``.
        """


class OverlappingProcessor(Protocol):
    """A processor whose outputs of one batch may be on their way while it works on the next."""

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        """Do what `Processor.process` does, but for waiting until all has arrived.

        Returns:
            What waits for that, and calls `Delivery.done`: called once all before it has ended, beside the
            next `begin`; never beside `process`. None where these records do not allow it, and nothing was
            done: they are given to `process`, once all before them has ended.

        Raises:
            Exception: What was begun for these records has ended; they are given to `process`. So they are
                where what was returned raises.
        """


class PartitionListener(Protocol):
    """Further hooks that a processor may have."""

    async def partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        """Records of these will come."""

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        """No further records of these come.

        What the processor holds of them should be finished or dropped now: `Delivery.done` counts for
        ``worker.shutdown_timeout_s`` at most; what isn't done by then goes to whoever gets the partition.
        """


class StartPositions(Protocol):
    """Says from where a role starts, where that isn't the committed offset."""

    async def positions(
        self, partitions: Sequence[SourcePartition], committed: Mapping[SourcePartition, int | None]
    ) -> Mapping[SourcePartition, int]:
        """The offset to start from, by partition; one left out starts as without StartPositions.

        Args:
            committed: The offset committed for this life of the topic, None where there is none.

        Raises:
            DependencyDownError: Asked again after a wait.
        """


PoisonHandler = Callable[[Delivery, Exception], Awaitable[None]]
"""Takes a record that the processor fails on, and the failure; publishes a dead letter. The driver says done.
Where it raises, the driver waits and calls it again."""

GapHandler = Callable[[SourcePartition, int, int], None]
"""Told of records that are gone: the partition, the offset wanted, and the one started from instead.
Where it raises DependencyDownError, the partition is not read yet, and it is told again."""
