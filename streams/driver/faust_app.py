"""The Faust app of a role: the only module that imports Faust.

Faust keeps the group, the assignment, the agent and the commit timer. What is replaced, and why:

- All that a fetch brought is handed through as one message, instead of one by one, for throughput.
- Stock acks commit past a record in flight where offsets have gaps, and with acks out of order. Here commits
  come from `streams.acks`.
- Start positions come from `Positions`, not from Kafka's committed offsets alone.
- A fatal group error, a dead fetcher or a dead heartbeat leave a stock worker alive and idle for ever. Here
  they end the app, and the runner starts another.
- aiokafka takes a worker that does not fetch for dead (``max.poll.interval``), also one that waits for room
  in its budget. Here the event loop's ticking counts instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import faust
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.app.base import BootStrategy
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage
from yarl import URL

from streams.driver.delivery import SourcePartition
from streams.driver.in_flight import Assignment, Batch
from streams.driver.link import Link
from streams.driver.member import REBALANCE_TIMEOUT_S, ConsumerBrokenError, KafkaMember, new_consumer
from streams.driver.positions import PartitionState

COMMIT_INTERVAL_S = 1.0

T = TypeVar("T")


class _BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Passes the batches through."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


class _ConsumerThread(AIOKafkaConsumerThread):
    """The thread that speaks with Kafka: heartbeats go on while the role is busy."""

    app: RoleApp
    member: KafkaMember | None = None

    async def run(self, work: Callable[[KafkaMember], Coroutine[Any, Any, T]]) -> T:
        """Run something on the thread's event loop and wait for it.

        Raises:
            ConsumerStoppedError: The thread has ended, or not begun.
        """

        async def in_thread() -> T:
            if self.member is None:
                raise ConsumerStoppedError()
            return await work(self.member)

        coroutine = in_thread()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.thread_loop)
        except RuntimeError as error:
            coroutine.close()
            raise ConsumerStoppedError() from error
        return await asyncio.wrap_future(future)

    def _create_worker_consumer(self, transport: Any) -> Any:
        link = self.app.link
        worker = link.settings.worker
        consumer = new_consumer(link.settings, self.app.conf.id)
        self.member = KafkaMember(
            consumer,
            # A batch, unless few may be in flight: then several partitions have a share of these.
            min(worker.batch_records, worker.max_in_flight_records // 4),
            on_doubt=lambda: link.call_soon(link.positions.check_soon),
        )
        return consumer

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        if self.member is not None:
            self.member.forget()
        await super().on_partitions_revoked(revoked)

    def close(self) -> None:
        """Nothing: stock Faust would close this thread's objects from another event loop."""

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Nothing: the runner logs why the app has ended."""


class _Consumer(Consumer):
    """The consumer on the role's event loop."""

    app: RoleApp
    _thread: _ConsumerThread

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Positioning asks these.

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        return await self._thread.run(lambda member: member.topic_ids(topics))

    async def states(self, sources: Collection[SourcePartition]) -> Sequence[PartitionState]:
        return await self._thread.run(lambda member: member.states(sources))

    async def log_ends(self, partitions: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return await self._thread.run(lambda member: member.log_ends(partitions))

    async def start_at(self, generation: int, positions: Mapping[Assignment, int]) -> bool:
        return await self._thread.run(lambda member: member.start_at(generation, positions))

    # Assignment.

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.give_up()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.link.positions.assign(self, {(tp.topic, tp.partition) for tp in assigned}, generation_id)

    async def wait_empty(self) -> None:
        await self.give_up()

    async def give_up(self) -> None:
        """Let what was handed out be finished, commit, and drop the rest."""
        await self.app.link.give_up(self.commit_now)

    async def perform_seek(self) -> None:
        """Nothing: `Positions` seeks."""

    # Fetching.

    async def _drain_messages(self, fetcher: Any) -> None:
        in_flight = self.app.link.in_flight
        while not (self.should_stop or fetcher.should_stop):
            if not self.flow_active:
                await self.can_resume_flow.wait()
                continue
            await in_flight.room()
            try:
                batches = await self._thread.run(lambda member: member.fetch(in_flight.room_records))
            except ConsumerStoppedError:
                return
            except ConsumerBrokenError:
                raise
            except KafkaError as error:
                self.app.link.trouble(f"the consumer group refuses this worker: {error!r}")
                await asyncio.sleep(1.0)
                continue
            expected = [batch for batch in batches if in_flight.expect(batch)]
            if expected:
                await self.callback(self._message(expected))

    def _message(self, batches: list[Batch]) -> Any:
        """One for all that a fetch brought; Faust delivers it to the one agent by the topic of the first."""
        source = batches[0].assignment.source
        new_message: Any = ConsumerMessage
        return new_message(
            topic=source.topic,
            partition=source.partition,
            offset=batches[0].start,
            timestamp=None,
            timestamp_type=0,
            headers=None,
            key=None,
            value=batches,
            checksum=None,
            tp=TP(source.topic, source.partition),
            generation_id=self.app.consumer_generation_id,
        )

    # Acks.

    def track_message(self, message: Any) -> None:
        """Nothing: `InFlight` tracks records."""

    def ack(self, message: Any) -> bool:
        """Nothing: a batch taken by the agent is not done."""
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: the runner watches progress."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return [TP(a.source.topic, a.source.partition) for a in self.app.link.in_flight.assignments]

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        found = {tp: self.app.link.in_flight.find(tp.topic, tp.partition) for tp in tps}
        return {
            tp: a.tracker.committable for tp, a in found.items() if a and a.tracker.committable > a.committed
        }

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        found = {tp: self.app.link.in_flight.find(tp.topic, tp.partition) for tp in offsets}
        with_ids = {
            (tp.topic, tp.partition): (offsets[tp], assignment.source.topic_uuid)
            for tp, assignment in found.items()
            if assignment is not None
        }
        try:
            done = await self._thread.run(lambda member: member.commit(with_ids))
        except ConsumerStoppedError:
            done = False
        self.app.link.committed(done)
        if done:
            for tp, assignment in found.items():
                if assignment is not None:
                    assignment.committed = offsets[tp]
        return done

    async def commit_now(self) -> None:
        """Commit all that is done by now; gives up after two failures."""
        for _ in range(2):
            await self.maybe_wait_for_commit_to_finish()
            await self.commit()
            if not self._filter_committable_offsets(self._filter_tps_with_pending_acks()):
                return

    async def is_member(self) -> bool:
        """Whether the group knows this worker, and heartbeats go out."""
        return await self._thread.run(lambda member: member.is_member())

    async def touch(self) -> None:
        """The role's event loop is alive."""
        await self._thread.run(lambda member: member.touch())


class _Transport(Transport):
    Consumer = _Consumer


class _BootStrategy(BootStrategy):
    """Starts no producer: roles publish with `streams.producer`."""

    enable_kafka_producer = False


class RoleApp(faust.App):
    """The Faust app of one role: one agent over the role's topics, which takes batches.

    Args:
        group: The consumer group, and Faust's app id.
    """

    BootStrategy = _BootStrategy

    def __init__(self, link: Link, group: str, topics: Sequence[str]) -> None:
        self.link = link
        kafka = link.settings.kafka
        super().__init__(
            group,
            broker=[URL(f"kafka://{server}") for server in link.bootstrap_servers],
            store="memory://",
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            processing_guarantee="at_least_once",
            stream_wait_empty=True,
            stream_recovery_delay=0.0,
            broker_commit_interval=COMMIT_INTERVAL_S,
            broker_session_timeout=kafka.session_timeout_s,
            broker_heartbeat_interval=kafka.heartbeat_interval_s,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
            broker_request_timeout=max(kafka.request_timeout_s, kafka.session_timeout_s),
            broker_max_poll_interval=kafka.max_poll_interval_s,
        )
        source = self.topic(*topics, schema=_BatchSchema(), allow_empty=False)
        self.agent(source, name=f"{group}-agent")(self._take)

    async def _take(self, fetches: AsyncIterable[list[Batch]]) -> None:
        async for batches in fetches:
            for batch in batches:
                if not self.link.in_flight.arrive(batch):
                    await self.link.positions.reset([batch.assignment])

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    async def on_first_start(self) -> None:
        """Nothing: stock Faust makes folders for tables."""

    async def is_member(self) -> bool:
        """Tell aiokafka that the role's event loop is alive, and ask whether the group knows this worker.

        Raises:
            ConsumerBrokenError: The app is of no more use.
        """
        consumer = self._consumer
        if not isinstance(consumer, _Consumer):
            return False
        try:
            await consumer.touch()
            is_member = await consumer.is_member()
        except (ConsumerStoppedError, ConsumerNotStarted):
            return False
        except ConsumerBrokenError:
            raise
        except KafkaError as error:
            self.link.trouble(f"the consumer group refuses this worker: {error!r}")
            return False
        if is_member:
            self.link.trouble(None)
        return is_member
