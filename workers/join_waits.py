"""The ends of waits: events whose list was not read when they were, decided when it must have been.

A person with such an event has a timer in the state store. Whoever has their partition looks at those due.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from streams.errors import DependencyDownError
from workers.join_metrics import JoinMetrics
from workers.join_steps import STAGE, JoinSteps
from workers.outcome_counts import shown_name
from workers.popularity_shares import PopularityShares
from workers.ports import Publisher
from workers.state.exposures import TIMER, decode_exposures, exposures_key, timers_name
from workers.state.store import StateChange, StateStore, TimerChange

SWEEP_S = 0.5
SWEPT_AT_ONCE = 100
# After a partition came to be this worker's.
BEGIN_S = 5.0
REFRESH_S = 10.0

_log = structlog.get_logger()


class JoinWaits:
    """Knows how far the lists of each partition have been read, and ends waits.

    Args:
        wait_s: Where no list of a partition came for so long, all that were published before are read.
        now: The wall clock.
        clock: Seconds that only grow.
        is_reading: Whether what was decided before is being read: nothing is decided meanwhile.
    """

    def __init__(
        self,
        store: StateStore,
        publisher: Publisher,
        steps: JoinSteps,
        popularity: PopularityShares,
        metrics: JoinMetrics,
        *,
        wait_s: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        is_reading: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._steps = steps
        self._popularity = popularity
        self._metrics = metrics
        self._wait_s = wait_s
        self._now = now
        self._clock = clock
        self._is_reading = is_reading
        self._lists_until_ms: dict[int, int] = {}
        # Of the partitions that are this worker's: when the last list came.
        self._last_list_s: dict[int, float] = {}
        # Not before: what was decided before state was set back is known once records have come.
        self._begin_s: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._look_after(), name="join waits")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def take(self, partition: int) -> None:
        """From here on the waits of this partition are this worker's."""
        self._last_list_s[partition] = self._clock()
        self._begin_s[partition] = self._clock() + BEGIN_S

    def leave(self, partition: int) -> None:
        """Another worker takes over."""
        self._last_list_s.pop(partition, None)

    def list_came(self, partition: int) -> None:
        """A list was handed to the role, which is not yet applied."""
        if partition in self._last_list_s:
            self._last_list_s[partition] = self._clock()

    def lists_applied(self, partition: int, published_ms: int) -> None:
        """Lists up to one that was published then are in the state."""
        self._lists_until_ms[partition] = max(self.lists_until_ms(partition), published_ms)

    def lists_until_ms(self, partition: int) -> int:
        """Lists of the partition that were published before are in the state."""
        return self._lists_until_ms.get(partition, 0)

    def behind_ms(self) -> float:
        """Up to which moment the partition that is furthest behind is read; infinite where none is behind.

        One is while old lists come, or none came yet: after a start, or where state was lost.
        """
        now_ms = (self._now().timestamp() - self._wait_s) * 1_000
        behind = [
            until_ms
            for partition in self._last_list_s
            if (until_ms := self.lists_until_ms(partition)) < now_ms and not self._is_silent(partition)
        ]
        return min(behind, default=math.inf)

    async def sweep(self) -> None:
        """Decide the events of this worker's partitions that have waited long enough.

        Raises:
            DependencyDownError: State or Kafka does not answer; what is not published stays due.
        """
        for partition in list(self._last_list_s):
            if self._is_reading() or self._clock() < self._begin_s.get(partition, 0.0):
                continue
            while due := await self._store.timers_due(
                timers_name(partition), self._now().timestamp(), SWEPT_AT_ONCE
            ):
                # The others wait for the same lists.
                if await self._end(partition, due) < len(due):
                    break

    def _until_ms(self, partition: int) -> int:
        until_ms = self.lists_until_ms(partition)
        if self._is_silent(partition):
            until_ms = max(until_ms, round((self._now().timestamp() - self._wait_s) * 1_000))
        return until_ms

    def _is_silent(self, partition: int) -> bool:
        return self._clock() - self._last_list_s.get(partition, self._clock()) >= self._wait_s

    async def _end(self, partition: int, user_ids: Sequence[str]) -> int:
        """Decide what these people's events belong to; for how many of them nothing is left to do.

        An outcome is kept with the state, and the timer stays, until it is published: that is a second step.
        """
        steps = self._steps
        values = await self._store.load([exposures_key(user_id) for user_id in user_ids])
        until_ms = self._until_ms(partition)
        changes = steps.changes()
        owing: list[str] = []
        for user_id, value in zip(user_ids, values, strict=True):
            before = decode_exposures(user_id, value)
            step = steps.step(before)
            step.settle(until_ms)
            steps.owe(step, TIMER, before.version)
            changes.count(step)
            if own := steps.outgoing(step.state, lambda source, _: source == TIMER):
                owing.append(user_id)
                changes.outgoing += own
            elif not step.state.needs_timer:
                changes.timers.append(TimerChange(timers_name(partition), user_id, None))
            if step.state is not before:
                changes.writes.append(steps.write(value, step.state))
        change = StateChange(
            writes=changes.writes,
            tallies=steps.tallies(changes),
            distinct=steps.distinct(changes),
            timers=changes.timers,
        )
        if not change.is_empty:
            if not await self._store.commit(STAGE, change):
                # A record changed one of them meanwhile: that one is due again.
                if len(user_ids) == 1:
                    return 0
                return sum([await self._end(partition, [user_id]) for user_id in user_ids])
            self._metrics.counted(changes.counts.sums, changes.unmatched, 0)
        finished = len(changes.timers)
        if changes.outgoing:
            await self._publisher.publish(changes.outgoing)
            finished += await self._forget_published(partition, owing)
        return finished

    async def _forget_published(self, partition: int, user_ids: Sequence[str]) -> int:
        """Outcomes of these people's waits are in Kafka; how many of them need no timer any more."""
        finished = 0
        values = await self._store.load([exposures_key(user_id) for user_id in user_ids])
        for user_id, value in zip(user_ids, values, strict=True):
            before = decode_exposures(user_id, value)
            owed = tuple(one for one in before.owed if one.source != TIMER)
            after = msgspec.structs.replace(before, owed=owed)
            timers = [] if after.needs_timer else [TimerChange(timers_name(partition), user_id, None)]
            # One by one: where a record changed the state meanwhile, they are published once more.
            change = StateChange(writes=[self._steps.write(value, after)], timers=timers)
            finished += await self._store.commit(STAGE, change) and bool(timers)
        return finished

    async def _look_after(self) -> None:
        refresh_s = self._clock()
        while True:
            try:
                if self._clock() >= refresh_s:
                    refresh_s = self._clock() + REFRESH_S
                    await self._popularity.refresh()
                    await self._show_coverage()
                await self.sweep()
            except DependencyDownError as error:
                _log.warning("waits are looked after later", error=str(error))
            except Exception:
                # Without this task events would wait for ever.
                _log.exception("defect while looking after waits")
            await asyncio.sleep(SWEEP_S)

    async def _show_coverage(self) -> None:
        today = self._now().astimezone(UTC).date()
        groups = self._metrics.groups_of(today)
        sizes = await self._store.distinct_counts([shown_name(today, group) for group in groups])
        self._metrics.covered(dict(zip(groups, sizes, strict=True)))
