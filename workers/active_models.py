"""A worker's part in the life of models: it follows `models`, loads and checks bundles, says how far it is.

What becomes of a loaded model is the role's matter: see `workers.fused_spaces` and `workers.listed_spaces`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from models.fusion import Fusion
from models.lifecycle import START, Bundle, Lifecycle, ModelRef
from streams.errors import ConfigurationError, DependencyDownError, ModelRefusedError
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.model_bundles import BundleLoader
from workers.model_reports import ModelReport, encode_report
from workers.models_topic import ModelsFollower, refused_record
from workers.ports import Publisher
from workers.state.store import StateStore

LIVE_REPORTS = 10
"""A worker that has left out so many reports is gone."""
ROUND_S = 0.25
# A store that is away for a moment says nothing of a bundle; one that never has it does.
_FETCHES = 3
_FETCH_AGAIN_S = 2.0
_SERVED_AGAIN_S = 10.0
# Of those announced and not asked for, the newest are looked at ahead of time.
_CHECKED_AHEAD = 3

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version in memory. ``bundle`` is None for what the settings say."""

    ref: ModelRef
    bundle: Bundle | None
    fusion: Fusion


@dataclass(frozen=True, slots=True)
class Status:
    """How far a role is. See `ModelReport`."""

    serving: ModelRef
    space: str
    ready_for: ModelRef | None = None
    detail: str = ""
    covered: int = 0
    items: int = 0


# A bundle at one announcement, or at one wish: another is another chance.
_Try = tuple[Bundle, int]


class ActiveModels(ABC):
    """Gets a role ready for what is wanted.

    Args:
        start: The fusion of the settings.
    """

    role: str

    def __init__(
        self,
        settings: Settings,
        *,
        topics: TopicNames,
        store: StateStore,
        publisher: Publisher,
        follower: ModelsFollower,
        loader: BundleLoader,
        start: Fusion,
        now: Callable[[], datetime],
    ) -> None:
        self.settings = settings
        self.topics = topics
        self.store = store
        self.publisher = publisher
        self.worker = f"{self.role}/{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self.now = now
        self._follower = follower
        self._loader = loader
        self._start = start
        self._loaded: dict[Bundle, LoadedModel] = {}
        self._checked: set[Bundle] = set()
        self._failed: set[_Try] = set()
        self._loading: tuple[_Try, asyncio.Task[None]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._reported_s = 0.0
        self._reported: ModelReport | None = None

    @property
    def lifecycle(self) -> Lifecycle:
        """All versions as of now."""
        return self._follower.lifecycle

    @abstractmethod
    async def step(self, state: Lifecycle) -> Status:
        """Do what there is to do by now, and say how far it is. Must not wait long."""

    async def after_report(self, state: Lifecycle) -> None:
        """Called after each report. Nothing by default."""
        return

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="models")

    async def stop(self) -> None:
        """Stop, and count as live no more."""
        tasks = [one for one in (self._task, self._loading and self._loading[1]) if one is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(DependencyDownError):
            await self.store.end_report(self.worker)

    def known_space(self, ref: ModelRef) -> str | None:
        """The vector space of a version, loaded or not."""
        if ref == START:
            return self._start.space
        bundle = self.lifecycle.bundle(ref)
        return None if bundle is None else bundle.space

    def loaded(self, ref: ModelRef) -> LoadedModel | None:
        """A version, if it is in memory; else it is fetched, and comes later or never."""
        if ref == START:
            return LoadedModel(START, None, self._start)
        state = self.lifecycle
        bundle = state.bundle(ref)
        if bundle is None:
            return None
        held = self._loaded.get(bundle)
        if held is None:
            self._begin_loading(state, bundle)
        return held

    def refuse_soon(self, bundle: Bundle, reason: str) -> None:
        """Say that a bundle is unfit, in the background."""
        self._failed.add(self._try(self.lifecycle, bundle))
        self._background(self._try(self.lifecycle, bundle), self._refuse(bundle, reason))

    def _try(self, state: Lifecycle, bundle: Bundle) -> _Try:
        announced = state.bundles.get(bundle.ref)
        wanted = state.wanted if state.wanted is not None and state.wanted[1] == bundle.ref else None
        return bundle, max(-1 if announced is None else announced[0], -1 if wanted is None else wanted[0])

    def _begin_loading(self, state: Lifecycle, bundle: Bundle) -> None:
        one = self._try(state, bundle)
        if self._loading is not None or one in self._failed:
            return
        self._background(one, self._load(one))

    def _background(self, one: _Try, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="model bundle")
        self._loading = (one, task)

        def ended(_: asyncio.Task[None]) -> None:
            if self._loading is not None and self._loading[1] is task:
                self._loading = None

        task.add_done_callback(ended)

    async def _load(self, one: _Try) -> None:
        bundle, _ = one
        for fetch in range(_FETCHES):
            try:
                fusion = await self._loader.load(bundle)
            except DependencyDownError as error:
                reason = str(error)
                _log.warning("a bundle cannot be fetched", model=str(bundle.ref), error=reason)
                await asyncio.sleep(_FETCH_AGAIN_S * (fetch + 1))
            except ModelRefusedError as error:
                reason = str(error)
                break
            else:
                self._loaded[bundle] = LoadedModel(bundle.ref, bundle, fusion)
                self._checked.add(bundle)
                _log.info("a model is loaded and checked", model=str(bundle.ref), space=fusion.space)
                return
        if bundle.ref in (self.lifecycle.active_ref, self.lifecycle.previous):
            # It served, so it is not the bundle that is unfit: this worker goes on trying.
            _log.error("what serves, or did, cannot be loaded here", model=str(bundle.ref), reason=reason)
            await asyncio.sleep(_SERVED_AGAIN_S)
            return
        self._failed.add(one)
        await self._refuse(bundle, reason)

    async def _refuse(self, bundle: Bundle, reason: str) -> None:
        _log.error("a model is refused: what serves goes on", model=str(bundle.ref), reason=reason)
        record = refused_record(self.topics, bundle, reason, self.role, self.now())
        await while_down("refuse model", lambda: self.publisher.publish([record]))

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except DependencyDownError as error:
                _log.warning("what this worker is ready for cannot be told", error=str(error))
            except Exception:
                _log.exception("defect while looking after models, trying again")
            await asyncio.sleep(ROUND_S)

    async def _round(self) -> None:
        state = self.lifecycle
        status = await self.step(state)
        self._look_ahead(state)
        self._let_go(state)
        report = ModelReport(
            role=self.role,
            serving=str(status.serving),
            space=status.space,
            ready_for=None if status.ready_for is None else str(status.ready_for),
            checked=sorted(str(bundle.ref) for bundle in self._checked),
            detail=status.detail,
            covered=status.covered,
            items=status.items,
        )
        now_s = asyncio.get_running_loop().time()
        # Everybody is told at once of what matters, and of progress from time to time.
        said = self._reported
        matters = said is None or (said.ready_for, said.serving) != (report.ready_for, report.serving)
        if matters or now_s - self._reported_s >= self.settings.models.report_s:
            for_s = self.settings.models.report_s * LIVE_REPORTS
            await self.store.report(self.worker, encode_report(report), for_s)
            self._reported, self._reported_s = report, now_s
            await self.after_report(state)

    def _look_ahead(self, state: Lifecycle) -> None:
        """Check what was announced lately, before anybody wants it."""
        newest = sorted(state.bundles.values(), key=lambda held: -held[0])[:_CHECKED_AHEAD]
        for _, bundle in newest:
            if bundle not in self._checked and state.refusal(bundle.ref) is None:
                self.loaded(bundle.ref)

    def _let_go(self, state: Lifecycle) -> None:
        """Keep in memory what is in use; what was only checked is loaded again when it is wanted."""
        kept = {state.bundle(ref) for ref in state.kept}
        self._loaded = {bundle: held for bundle, held in self._loaded.items() if bundle in kept}
        announced = {bundle for _, bundle in state.bundles.values()}
        self._checked &= announced | {bundle for bundle in kept if bundle is not None}


async def active_model(follower: ModelsFollower, loader: BundleLoader, start: Fusion) -> LoadedModel:
    """The version that serves now, loaded; waits while its bundle cannot be had.

    Raises:
        ConfigurationError: This worker cannot load what all others serve by: says why.
    """
    ref = follower.lifecycle.active_ref
    bundle = follower.lifecycle.bundle(ref)
    if bundle is None:
        return LoadedModel(START, None, start)
    try:
        fusion = await while_down("load model", lambda: loader.load(bundle))
    except ModelRefusedError as error:
        raise ConfigurationError(
            f"the model `{ref}`, which serves, cannot be loaded here: {error}. Activate another one "
            f"(`freshet models activate {START.name}` for what the settings say), or mend this worker"
        ) from error
    return LoadedModel(ref, bundle, fusion)
