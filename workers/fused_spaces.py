"""The fuse role's part in a swap: the vectors of every space that is kept, each by a consumer of its own.

A space is made from what the role keeps anyhow: its consumer reads `item-features` from the start, with a
fence of its own, so each space goes on where it was after any restart, and several workers share the work.
The first space is that of the role's own runner; others run beside it, and one that nobody serves by yet is
paced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import structlog

from models.lifecycle import Lifecycle
from streams.driver import Delivery, Finish, Processor, RoleRunner
from workers.active_models import ActiveModels, LoadedModel, ModelParts, Status

_LONGEST_REST_S = 1.0

_log = structlog.get_logger()


class PacedProcessor:
    """Rests after each batch, so that it works a share of the time.

    Args:
        share: Above 0, to 1; asked before each rest.
    """

    def __init__(self, processor: Processor, share: Callable[[], float]) -> None:
        self._processor = processor
        self._share = share

    async def start(self) -> None:
        """See `Processor`."""
        await self._processor.start()

    async def stop(self) -> None:
        """See `Processor`."""
        await self._processor.stop()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """See `Processor`."""
        began_s = perf_counter()
        await self._processor.process(deliveries)
        rest_s = (perf_counter() - began_s) * (1.0 / self._share() - 1.0)
        if rest_s > 0:
            await asyncio.sleep(min(rest_s, _LONGEST_REST_S))

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        """Never: what it rests by is the time from beginning to end."""
        return None

    def __getattr__(self, name: str) -> Any:
        # The hooks that a processor may have: the driver looks whether they are there.
        return getattr(self._processor, name)


class FusedSpaces(ActiveModels):
    """Keeps a runner for each space that is kept.

    Args:
        main: The model whose space the role's own runner makes.
        make_runner: The runner of a further space, given how large a share of the time it may work.
        start_anew: Called where the role's own space is not kept any more.
    """

    role = "fuse"

    def __init__(
        self,
        parts: ModelParts,
        *,
        main: LoadedModel,
        make_runner: Callable[[LoadedModel, Callable[[], float]], RoleRunner],
        start_anew: Callable[[], None],
    ) -> None:
        super().__init__(parts)
        self._main = main
        self._make_runner = make_runner
        self._start_anew = start_anew
        self._running: dict[str, tuple[RoleRunner, asyncio.Task[None]]] = {}

    async def stop(self) -> None:
        """Stop; what is in flight is finished."""
        await super().stop()
        for space in list(self._running):
            await self._end(space)

    async def step(self, state: Lifecycle) -> Status:
        """See `ActiveModels.step`."""
        main = self._main.fusion.space
        kept = {space: ref for ref in reversed(state.kept) if (space := self.known_space(ref)) is not None}
        for space in [one for one in self._running if one not in kept]:
            _log.info("a vector space is kept no longer", space=space)
            await self._end(space)
        if main not in kept:
            self._start_anew()
        if state.target is not None:
            # First: one bundle is loaded at a time, and somebody waits for this one.
            self.loaded(state.target)
        for space, ref in kept.items():
            if space == main or space in self._running:
                continue
            model = self.loaded(ref)
            if model is not None:
                self._begin(model)
        for space, (_, task) in list(self._running.items()):
            if task.done():
                _log.error(
                    "the vectors of a space are not made: trying again", space=space, why=task.exception()
                )
                del self._running[space]
        return self._status(state)

    def _status(self, state: Lifecycle) -> Status:
        serving = Status(self._main.ref, self._main.fusion.space)
        target = state.target
        if target is None:
            return serving
        space, detail = self.known_space(target), ""
        model = self.loaded(target)
        if model is None:
            detail = "loading the bundle"
        elif space != self._main.fusion.space:
            running = self._running.get(space or "")
            if running is None or running[0].stats().state != "running":
                detail = "joining the consumer group of the new space"
        return Status(serving.serving, serving.space, None if detail else model, detail)

    def _begin(self, model: LoadedModel) -> None:
        space = model.fusion.space

        def share() -> float:
            serves = self.known_space(self.lifecycle.active_ref) == space
            return 1.0 if serves else self.settings.models.build_share

        runner = self._make_runner(model, share)
        self._running[space] = (runner, asyncio.create_task(runner.run(), name=f"fuse {space}"))
        _log.info("the vectors of a space are being made", model=str(model.ref), space=space)

    async def _end(self, space: str) -> None:
        runner, task = self._running.pop(space)
        runner.stop()
        await asyncio.gather(task, return_exceptions=True)
