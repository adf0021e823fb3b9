"""The recommend role's part in a swap: the items of the new space beside those in use, then one switch.

The switch is one step of the event loop: lists are made of the old space before it, and of the new one
after it. One of the workers of this role moves the pointer, once all are ready: the one whose name comes
first. That two should ever do it at once is harmless, as both write the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import structlog

from models.fusion import Fusion
from models.lifecycle import Lifecycle, ModelRef, switch_due
from models.retrieval import ItemIndex
from streams.settings import Settings
from workers.active_models import ActiveModels, LoadedModel, ModelParts, Status, same_content
from workers.background import in_background
from workers.model_reports import decode_reports, readiness
from workers.models_topic import active_record
from workers.popularity import PopularityFollower
from workers.space_coverage import Coverage
from workers.topic_follower import BESIDE_LISTS, UNPACED, Pace
from workers.vectors_to_index import IndexFollower, UpdaterState

# Of the rows in use, as items come meanwhile.
_ROOM = 1.1
# Before the pointer is moved again, it must have had time to come back.
_POINTER_AGAIN_S = 5.0

_log = structlog.get_logger()


class ListedSpace:
    """The items of one vector space in memory, kept current.

    Args:
        pace: How much of the event loop reading may take.
        on_change: Called with the number of items after each batch.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        model: LoadedModel,
        *,
        pace: Pace = UNPACED,
        on_change: Callable[[int], None] = lambda items: None,
    ) -> None:
        self.model = model
        self.topic = topic
        self.index = ItemIndex(model.fusion.dimension)
        self._gate = asyncio.Event()
        self._gate.set()
        paced = replace(pace, gate=self._gate)
        self.follower = IndexFollower(settings, topic, self.index, on_change=on_change, pace=paced)

    async def quietly(self, work: Callable[[], None]) -> None:
        """Do something with the index in a thread; nothing is read into it meanwhile."""
        self._gate.clear()
        try:
            await asyncio.sleep(0)
            await in_background(work, "index")
        finally:
            self._gate.set()

    def restore(self, state: UpdaterState, positions: Mapping[int, int]) -> None:
        """Go on from what another held and where it ended; nothing was read yet.

        Raises:
            ValueError: These cannot be its items.
        """
        self.follower.updater.restore(state)
        self.follower.begin_at(positions)

    @property
    def held(self) -> Any:
        """Item → version and revision."""
        return self.follower.updater.held()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Be told of each item that changes; nobody else is any more."""
        self.follower.updater.listeners = [listener]

    def listen_no_more(self) -> None:
        """Be told nothing."""
        self.follower.updater.listeners = []


class UsesIndex(Protocol):
    """What makes lists and reads queries, by one index and one fusion at a time."""

    def get_ready_for(self, index: ItemIndex) -> None:
        """Called often while another index fills up."""

    def give_up_others(self) -> None:
        """No other index will take the place of the one in use."""

    def use(self, index: ItemIndex, fusion: Fusion) -> None:
        """Use these from now on; must not wait."""


class _Preparation:
    """A space on its way: read, compared with the one in use, warmed up."""

    def __init__(self, space: ListedSpace, coverage: Coverage) -> None:
        self.space = space
        self.coverage = coverage
        self.is_read = False
        self.is_warm = False
        self.with_vector = (0, 0)
        """Items that have a vector, in use and in the new space."""
        self.refused = False
        self.task: asyncio.Task[None] | None = None


class ListedSpaces(ActiveModels):
    """Gets the space that is wanted ready, and switches to the one that the pointer names.

    Args:
        space: The one in use.
        popularity: Keeps its index's popularity.
        uses: What is switched.
        on_change: Called with the number of items in use after each batch.
    """

    role = "recommend"

    def __init__(
        self,
        parts: ModelParts,
        *,
        space: ListedSpace,
        popularity: PopularityFollower,
        uses: UsesIndex,
        on_change: Callable[[int], None] = lambda items: None,
    ) -> None:
        super().__init__(parts)
        self._space = space
        self._popularity = popularity
        self._uses = uses
        self._on_change = on_change
        self._next: _Preparation | None = None
        self._pointed: tuple[ModelRef, float] | None = None

    @property
    def in_use(self) -> ListedSpace:
        """The space that lists are made of."""
        return self._space

    async def stop(self) -> None:
        """Stop; the space in use is stopped too."""
        await super().stop()
        await self._give_up()
        await self._space.follower.stop()

    async def step(self, state: Lifecycle) -> Status:
        """See `ActiveModels.step`."""
        # Where the pointer has moved without us, we follow before anything else.
        goal = state.target if self._is_of(self._space.model, state.active_ref, state) else state.active_ref
        model = None if goal is None else self.loaded(goal)
        if goal is None or (self._next is not None and not self._is_of(self._next.space.model, goal, state)):
            await self._give_up()
        if goal is None:
            return self._status(None)
        if model is None:
            return self._status(None, "loading the bundle")
        if model.fusion.space == self._space.model.fusion.space:
            # Other bytes, or another name, of the same graph: its vectors are those in use.
            if goal == state.active_ref:
                self._space.model = model
                return self._status(None)
            return self._status(model)
        if self._next is None:
            self._next = self._begin(model)
        waits_for = self._waits_for(self._next, state)
        if waits_for:
            return self._status(None, waits_for)
        if goal == state.active_ref:
            await self._switch(self._next)
            return self._status(None)
        return self._status(self._next.space.model)

    @staticmethod
    def _is_of(model: LoadedModel, ref: ModelRef, state: Lifecycle) -> bool:
        """Whether it is this version as it is known now: another bundle may have come by its name."""
        return model.ref == ref and same_content(model.bundle, state.bundle(ref))

    async def after_report(self, state: Lifecycle) -> None:
        """Move the pointer, if all are ready and it is ours to do."""
        if state.target is None:
            return
        reports = decode_reports(await self.store.reports())
        if self.worker != min((name for name, one in reports.items() if one.role == self.role), default=""):
            return
        due = switch_due(state, map(readiness, reports.values()))
        now_s = asyncio.get_running_loop().time()
        if due is None or (
            self._pointed is not None
            and self._pointed[0] == due
            and now_s - self._pointed[1] < _POINTER_AGAIN_S
        ):
            return
        model = self.loaded(due)
        if model is None or not self._is_of(model, due, state):
            return
        self._pointed = (due, now_s)
        _log.info("all are ready: another model serves from now on", model=str(due), space=model.fusion.space)
        record = active_record(
            self.topics,
            due,
            model.fusion.space,
            model.fusion.dimension,
            model.bundle,
            state.active_ref,
            self.now(),
        )
        await self.publisher.publish([record])

    def _status(self, ready_for: LoadedModel | None, detail: str = "") -> Status:
        own = self._space.model
        items = len(self._space.index)
        covered = self._next.coverage.covered if self._next is not None else items * (ready_for is not None)
        return Status(own.ref, own.fusion.space, ready_for, detail, covered, items)

    def _begin(self, model: LoadedModel) -> _Preparation:
        made: list[ItemIndex] = []

        def on_change(_: int) -> None:
            if self._next is not None and self._next.space.index is made[0]:
                self._uses.get_ready_for(made[0])
            else:
                self._on_change(len(made[0]))

        space = ListedSpace(
            self.settings,
            self.topics.item_vectors(model.fusion.space),
            model,
            pace=BESIDE_LISTS,
            on_change=on_change,
        )
        made.append(space.index)
        space.index.reserve(round(_ROOM * self._space.index.rows))
        self._uses.get_ready_for(space.index)
        is_kept = self._space.model.ref in self.lifecycle.kept
        clock = asyncio.get_running_loop().time
        coverage = Coverage(self._space.held, space.held, clock, old_is_kept=is_kept)
        self._space.listen(coverage.touch)
        space.listen(coverage.touch)
        preparation = _Preparation(space, coverage)
        preparation.task = asyncio.create_task(self._prepare(preparation), name="next vector space")
        _log.info("getting ready for another vector space", model=str(model.ref), space=model.fusion.space)
        return preparation

    async def _prepare(self, one: _Preparation) -> None:
        """Read the space, wait until nothing is missing in it, warm it up, and set its popularity."""
        if not one.is_read:
            await one.space.follower.start()
            one.is_read = True
        while not one.coverage.is_complete:
            await asyncio.sleep(0.1)
        # The first lists are not to wait for it.
        await one.space.quietly(lambda: self._warm_up(one))
        # Not before: it is set on the event loop, and nothing may touch an index that is warmed up.
        await self._popularity.add(one.space.index)
        one.is_warm = True

    def _warm_up(self, one: _Preparation) -> None:
        one.space.index.warm_up(self._space.index.filtered_by)
        one.with_vector = (_vectors(self._space.index), _vectors(one.space.index))

    def _waits_for(self, one: _Preparation, state: Lifecycle) -> str:
        """What keeps it from being ready, in words; empty where nothing does."""
        if one.task is not None and one.task.done() and one.task.exception() is not None:
            error = one.task.exception()
            _log.error("defect while getting ready for another space, trying again", exc_info=error)
            one.task = asyncio.create_task(self._prepare(one), name="next vector space")
            return "trying again after a defect"
        if not one.is_read:
            return f"reading the vectors that there are, {len(one.space.index):,} so far"
        if not one.coverage.is_complete:
            return f"{one.coverage.behind:,} items have no vector in the new space yet"
        if not one.is_warm:
            return "getting the index ready for its first lists"
        if one.refused:
            return "the bundle is refused"
        bundle = one.space.model.bundle
        if bundle is not None and bundle.ref == state.target:
            problem = self._vector_problem(one)
            if problem:
                one.refused = True
                self.refuse_soon(bundle, problem)
                return "the bundle is refused"
        return ""

    def _vector_problem(self, one: _Preparation) -> str:
        """Why the space has too few vectors, where it has."""
        now, then = one.with_vector
        if then >= self.settings.models.min_vector_share * now:
            return ""
        return (
            f"only {then:,} items have a vector in its space, where {now:,} have one now: it does not take "
            "the modalities that they have (`models.min_vector_share`)"
        )

    async def _switch(self, one: _Preparation) -> None:
        """From here to the first await nothing else runs."""
        old, self._space, self._next = self._space, one.space, None
        self._uses.use(one.space.index, one.space.model.fusion)
        self._popularity.keep_only(one.space.index)
        for space in (old, one.space):
            space.listen_no_more()
        self._on_change(len(one.space.index))
        _log.info(
            "lists are made by another model",
            model=str(one.space.model.ref),
            space=one.space.model.fusion.space,
            items=len(one.space.index),
        )
        await old.follower.stop()

    async def _give_up(self) -> None:
        if self._next is None:
            return
        one, self._next = self._next, None
        if one.task is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)
        self._space.listen_no_more()
        self._popularity.keep_only(self._space.index)
        self._uses.give_up_others()
        await one.space.follower.stop()


def _vectors(index: ItemIndex) -> int:
    """Items that have a vector."""
    return int(np.count_nonzero(index.vectors.any(axis=1)))
