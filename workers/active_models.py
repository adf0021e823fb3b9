"""A worker's part in the life of models: it follows `models`, loads and checks bundles, says how far it is.

What becomes of a loaded model is the role's matter: see `workers.fused_spaces` and `workers.listed_spaces`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from models.fusion import Fusion
from models.lifecycle import START, Bundle, Lifecycle, ModelRef
from streams.errors import DependencyDownError, ModelRefusedError
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
_REFUSE_AGAIN_S = 5.0
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
    ready_for: LoadedModel | None = None
    detail: str = ""
    covered: int = 0
    items: int = 0


# A bundle at one announcement, or at one wish: another is another chance.
_Try = tuple[Bundle, int]


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What every role's part in the life of models is made of.

    Attributes:
        start: The fusion of the settings.
    """

    settings: Settings
    topics: TopicNames
    store: StateStore
    publisher: Publisher
    follower: ModelsFollower
    loader: BundleLoader
    start: Fusion
    now: Callable[[], datetime]


class ActiveModels(ABC):
    """Gets a role ready for what is wanted."""

    role: str

    def __init__(self, parts: ModelParts) -> None:
        self.settings = parts.settings
        self.topics = parts.topics
        self.store = parts.store
        self.publisher = parts.publisher
        self.worker = f"{self.role}/{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self.now = parts.now
        self._follower = parts.follower
        self._loader = parts.loader
        self._start = parts.start
        self._loaded: dict[Bundle, LoadedModel] = {}
        self._checked: set[Bundle] = set()
        self._failed: set[_Try] = set()
        self._fetches: dict[_Try, int] = {}
        self._not_before_s: dict[_Try, float] = {}
        self._refusing: set[asyncio.Task[None]] = set()
        self._loading: asyncio.Task[None] | None = None
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
        tasks = [one for one in (self._task, self._loading) if one is not None]
        tasks += self._refusing
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
        self._begin_refusing(bundle, reason)

    def _begin_refusing(self, bundle: Bundle, reason: str) -> None:
        task = asyncio.create_task(self._refuse(bundle, reason), name="model refusal")
        self._refusing.add(task)
        task.add_done_callback(self._refusing.discard)

    def _try(self, state: Lifecycle, bundle: Bundle) -> _Try:
        announced = state.bundles.get(bundle.ref)
        wanted = state.wanted if state.wanted is not None and state.wanted[1] == bundle.ref else None
        return bundle, max(-1 if announced is None else announced[0], -1 if wanted is None else wanted[0])

    def _begin_loading(self, state: Lifecycle, bundle: Bundle) -> None:
        one = self._try(state, bundle)
        now_s = asyncio.get_running_loop().time()
        is_busy = self._loading is not None and not self._loading.done()
        if is_busy or one in self._failed or now_s < self._not_before_s.get(one, now_s):
            return
        self._loading = asyncio.create_task(self._load(one), name="model bundle")

    async def _load(self, one: _Try) -> None:
        """Try once. What fails for now leaves the place to others until it is tried again."""
        bundle, _ = one
        try:
            fusion = await self._loader.load(bundle)
        except DependencyDownError as error:
            reason = str(error)
            fetches = self._fetches[one] = self._fetches.get(one, 0) + 1
            if fetches < _FETCHES:
                _log.warning("a bundle cannot be fetched", model=str(bundle.ref), error=reason)
                self._wait(one, _FETCH_AGAIN_S * fetches)
                return
        except ModelRefusedError as error:
            reason = str(error)
        except Exception as error:
            _log.exception("defect while loading a bundle", model=str(bundle.ref))
            reason = f"it cannot be loaded: {error!r}"
        else:
            self._loaded[bundle] = LoadedModel(bundle.ref, bundle, fusion)
            self._checked.add(bundle)
            self._fetches.pop(one, None)
            self._not_before_s.pop(one, None)
            _log.info("a model is loaded and checked", model=str(bundle.ref), space=fusion.space)
            return
        state = self.lifecycle
        if bundle.ref in (state.active_ref, state.previous) and bundle.ref != state.target:
            # It served, so it is not the bundle that is unfit: this worker goes on trying. Whoever wants it
            # back is told, however, as a refusal is the only answer that they get.
            _log.error("what serves, or did, cannot be loaded here", model=str(bundle.ref), reason=reason)
            self._wait(one, _SERVED_AGAIN_S)
            return
        self._failed.add(one)
        self._begin_refusing(bundle, reason)

    def _wait(self, one: _Try, wait_s: float) -> None:
        self._not_before_s[one] = asyncio.get_running_loop().time() + wait_s

    async def _refuse(self, bundle: Bundle, reason: str) -> None:
        _log.error("a model is refused: what serves goes on", model=str(bundle.ref), reason=reason)
        record = refused_record(self.topics, bundle, reason, self.role, self.now())
        while True:
            try:
                await while_down("refuse model", lambda: self.publisher.publish([record]))
            except Exception:
                _log.exception("a refusal cannot be published, trying again", model=str(bundle.ref))
                await asyncio.sleep(_REFUSE_AGAIN_S)
            else:
                return

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
            ready_for=None if status.ready_for is None else str(status.ready_for.ref),
            ready_sha256=_sha256(status.ready_for),
            checked=sorted(str(bundle.ref) for bundle in self._checked),
            detail=status.detail,
            covered=status.covered,
            items=status.items,
        )
        now_s = asyncio.get_running_loop().time()
        # Everybody is told at once of what matters, and of progress from time to time.
        said = self._reported
        matters = said is None or _heeded(said) != _heeded(report)
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
        known = announced | {bundle for bundle in kept if bundle is not None}
        self._checked &= known
        for tries in (self._fetches, self._not_before_s):
            for one in [one for one in tries if one[0] not in known]:
                del tries[one]


def same_content(one: Bundle | None, other: Bundle | None) -> bool:
    """Whether two are of the same bytes, wherever these lie; None is what the settings say."""
    return (one and one.sha256) == (other and other.sha256)


def _sha256(model: LoadedModel | None) -> str | None:
    return None if model is None or model.bundle is None else model.bundle.sha256


def _heeded(report: ModelReport) -> tuple[str | None, ...]:
    """What others wait for."""
    return report.serving, report.ready_for, report.ready_sha256
