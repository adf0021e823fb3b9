"""Erasures as workers take them that hold people in memory: each forgets, and says so.

Such a worker follows all of `erasures` from its start, before it reads anything of people: it knows of every
erasure that Kafka still holds. While it runs it is registered as a holder in the state store. A receipt waits
for all holders; one that dies falls out after `HOLD_S`, and its memory with it. The state store may come back
empty, or older than it was: erasures are carried out anew then, and what was said is said again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
import structlog
from aiokafka import ConsumerRecord

from streams.codec import decode_value
from streams.errors import BadInputError, DependencyDownError
from streams.messages import Removal
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import ERASURES
from workers.backoff import while_down
from workers.erased_people import ErasedPeople
from workers.person_eraser import erasure_id
from workers.state.store import StateStore
from workers.topic_follower import TopicFollower

HOLD_S = 15.0
_RENEW_S = 4.0
# A store that comes back older shows no gap where it is younger than `HOLD_S`; what was said since is lost.
_SAID_AGAIN_FOR_S = 2 * HOLD_S
_SAID_AT_ONCE = 500
MAX_SAID = 10_000

_log = structlog.get_logger()


class ErasureFollower:
    """Tells a worker of erasures, and the others that it has forgotten.

    Args:
        role: What the worker does.
        erased: Told of every erasure.
        forget: Forgets a person, as of Kafka's time of the erasure; by place, how much was removed.
        gate: Nothing is forgotten while it is not set.
    """

    def __init__(
        self,
        role: str,
        settings: Settings,
        topics: TopicNames,
        store: StateStore,
        erased: ErasedPeople,
        forget: Callable[[str, int], Mapping[str, int]],
        *,
        gate: asyncio.Event | None = None,
    ) -> None:
        self._role = role
        self._store = store
        self._erased = erased
        self._forget = forget
        self._holder = f"{role}/{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._follower = TopicFollower(settings, topics.erasures, self.take, gate=gate)
        self._forgotten: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        # By erasure, when it was said first, and what. Of more, the oldest are not said again.
        self._said: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._was_lost = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Register, and learn of all erasures that Kafka holds."""
        await while_down("register", lambda: self._store.hold(self._holder, HOLD_S))
        self._tasks = [asyncio.create_task(_ever_on(step)) for step in (self._renew, self._acknowledge)]
        await self._follower.start()

    async def stop(self) -> None:
        """Stop; what was held goes with the worker."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.stop()
        try:
            await self._store.release(self._holder)
        except DependencyDownError as error:
            _log.warning("a worker stays registered for a moment", error=str(error))

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Forget whom the records name; a record that cannot be read costs itself alone."""
        for record in records:
            try:
                erasure = decode_value(record.value or b"", ERASURES)
            except BadInputError:
                continue  # the profile role makes the dead letter
            person = self._erased.hash_of(erasure.user_id)
            self._erased.note(erasure.user_id, record.timestamp)
            removed: Mapping[str, int] = {}
            try:
                removed = self._forget(erasure.user_id, record.timestamp)
            except Exception:
                # Without an acknowledgement there is no receipt, which is right.
                _log.exception("defect: a person cannot be forgotten")
                continue
            removals = [
                Removal(place=place, records=count, role=self._role) for place, count in removed.items()
            ]
            self._forgotten.put_nowait((erasure_id(person, record.timestamp), msgspec.json.encode(removals)))

    async def _renew(self) -> None:
        await asyncio.sleep(_RENEW_S)
        was_held = await while_down("register", lambda: self._store.hold(self._holder, HOLD_S))
        if not was_held:
            self._was_lost = True
            _log.warning("the state store has lost this worker: it says all again", role=self._role)
        now_s = asyncio.get_running_loop().time()
        again = {
            name: removed
            for name, (said_s, removed) in self._said.items()
            if self._was_lost or now_s - said_s < _SAID_AGAIN_FOR_S
        }
        await self._say(again)
        self._was_lost = False

    async def _acknowledge(self) -> None:
        forgotten = [await self._forgotten.get()]
        while len(forgotten) < _SAID_AT_ONCE and not self._forgotten.empty():
            forgotten.append(self._forgotten.get_nowait())
        said_s = asyncio.get_running_loop().time()
        # Before it is said: where that fails, `_renew` does it.
        self._said.update({name: (said_s, removed) for name, removed in forgotten})
        while len(self._said) > MAX_SAID:
            self._said.popitem(last=False)
        await self._say(dict(forgotten))

    async def _say(self, forgotten: Mapping[str, bytes]) -> None:
        names = list(forgotten)
        for start in range(0, len(names), _SAID_AT_ONCE):
            part = {name: forgotten[name] for name in names[start : start + _SAID_AT_ONCE]}
            await while_down("acknowledge", partial(self._store.acknowledge, self._holder, part))


async def _ever_on(step: Callable[[], Awaitable[None]]) -> None:
    """A step again and again: what an administrator mends, such as a password, must not end it for good."""
    while True:
        try:
            await step()
        except Exception:
            _log.exception("erasures cannot be acknowledged, trying again")
            await asyncio.sleep(_RENEW_S)
