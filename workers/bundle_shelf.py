"""Bundles on their way into a worker: fetched one at a time, tried again, refused with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from models.lifecycle import Bundle, Lifecycle
from streams.errors import DependencyDownError, ModelRefusedError
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.models_topic import refused_record
from workers.ports import Publisher

# A store that is away for a moment says nothing of a bundle; one that never has it does.
_FETCHES = 3
_FETCH_AGAIN_S = 2.0
_SERVED_AGAIN_S = 10.0
_REFUSE_AGAIN_S = 5.0
# Of those announced and not asked for, the newest are looked at ahead of time.
_CHECKED_AHEAD = 3

_log = structlog.get_logger()

Model = TypeVar("Model")
# A bundle at one announcement, or at one wish: another is another chance.
_Try = tuple[Bundle, int]


class BundleShelf(Generic[Model]):
    """What a worker has loaded and checked of what was announced.

    Args:
        load: Fetches and checks a bundle, not on the event loop. See `workers.model_bundles`.
        lifecycle_of: The versions that a bundle is one of, as of now.
        role: Named in refusals.
    """

    def __init__(
        self,
        load: Callable[[Bundle], Awaitable[Model]],
        lifecycle_of: Callable[[Bundle], Lifecycle],
        *,
        topics: TopicNames,
        publisher: Publisher,
        role: str,
        now: Callable[[], datetime],
    ) -> None:
        self._load_bundle = load
        self._lifecycle_of = lifecycle_of
        self._topics = topics
        self._publisher = publisher
        self._role = role
        self._now = now
        self._loaded: dict[Bundle, Model] = {}
        self.checked: set[Bundle] = set()
        """Found good, in memory or not."""
        self._failed: set[_Try] = set()
        self._fetches: dict[_Try, int] = {}
        self._not_before_s: dict[_Try, float] = {}
        self._refusing: set[asyncio.Task[None]] = set()
        self._loading: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """End what is in flight."""
        tasks = [*self._refusing, *([] if self._loading is None else [self._loading])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def held(self, bundle: Bundle) -> Model | None:
        """What is in memory of a bundle."""
        return self._loaded.get(bundle)

    def wanted(self, bundle: Bundle) -> Model | None:
        """What is in memory of a bundle; where nothing is, it is fetched, and comes later or never."""
        held = self._loaded.get(bundle)
        if held is None:
            self._begin_loading(bundle)
        return held

    async def try_for(self, bundle: Bundle, timeout_s: float) -> None:
        """Begin to fetch a bundle, and wait so long for what comes of this one try; it goes on after that."""
        self._begin_loading(bundle)
        if self._loading is not None:
            await asyncio.wait([self._loading], timeout=timeout_s)

    def refuse_soon(self, bundle: Bundle, reason: str) -> None:
        """Say that a bundle is unfit, in the background."""
        self._failed.add(self._try(bundle))
        self._begin_refusing(bundle, reason)

    def look_ahead(self, announced: Iterable[tuple[int, Bundle]]) -> None:
        """Check what was announced lately, before anybody wants it; with the places of announcements."""
        newest = sorted(announced, key=lambda held: -held[0])[:_CHECKED_AHEAD]
        for _, bundle in newest:
            state = self._lifecycle_of(bundle)
            known = state.bundle(bundle.ref)
            if known is not None and bundle not in self.checked and state.refusal(bundle.ref) is None:
                self.wanted(known)

    def let_go(self, announced: Iterable[tuple[int, Bundle]], kept: Collection[Bundle]) -> None:
        """Keep in memory what is in use; what was only checked is loaded again when it is wanted."""
        self._loaded = {bundle: held for bundle, held in self._loaded.items() if bundle in kept}
        known = {bundle for _, bundle in announced} | set(kept)
        self.checked &= known
        for tries in (self._fetches, self._not_before_s):
            for one in [one for one in tries if one[0] not in known]:
                del tries[one]

    def _begin_refusing(self, bundle: Bundle, reason: str) -> None:
        task = asyncio.create_task(self._refuse(bundle, reason), name="model refusal")
        self._refusing.add(task)
        task.add_done_callback(self._refusing.discard)

    def _try(self, bundle: Bundle) -> _Try:
        state = self._lifecycle_of(bundle)
        announced = state.bundles.get(bundle.ref)
        wanted = state.wanted if state.wanted is not None and state.wanted[1] == bundle.ref else None
        return bundle, max(-1 if announced is None else announced[0], -1 if wanted is None else wanted[0])

    def _begin_loading(self, bundle: Bundle) -> None:
        one = self._try(bundle)
        now_s = asyncio.get_running_loop().time()
        is_busy = self._loading is not None and not self._loading.done()
        if is_busy or one in self._failed or now_s < self._not_before_s.get(one, now_s):
            return
        self._loading = asyncio.create_task(self._load(one), name="model bundle")

    async def _load(self, one: _Try) -> None:
        """Try once. What fails for now leaves the place to others until it is tried again."""
        bundle, _ = one
        try:
            model = await self._load_bundle(bundle)
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
            self._loaded[bundle] = model
            self.checked.add(bundle)
            self._fetches.pop(one, None)
            self._not_before_s.pop(one, None)
            _log.info("a model is loaded and checked", model=str(bundle.ref), space=bundle.space)
            return
        state = self._lifecycle_of(bundle)
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
        record = refused_record(self._topics, bundle, reason, self._role, self._now())
        while True:
            try:
                await while_down("refuse model", lambda: self._publisher.publish([record]))
            except Exception:
                _log.exception("a refusal cannot be published, trying again", model=str(bundle.ref))
                await asyncio.sleep(_REFUSE_AGAIN_S)
            else:
                return
