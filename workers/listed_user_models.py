"""The recommend role's part in the life of user models: loaded before the pointer moves, used once it has.

Each vector space has a pointer of its own, so nothing is decided at a swap of the fusion: the step of the
event loop that switches to another space takes what its pointer names. One of the workers moves the
pointers, once all have a version in memory: the one whose name comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from models.lifecycle import START, Lifecycle, ModelRef
from models.lifecycles import Lifecycles, Start, user_switch_due
from models.user import UserModel
from workers.active_models import ModelParts
from workers.bundle_shelf import BundleShelf
from workers.model_reports import USER_MODELS, ModelReport, decode_reports
from workers.model_rounds import ModelRounds
from workers.models_topic import ModelsFollower
from workers.user_bundles import UserBundleLoader
from workers.user_model_in_use import CarefulUserModel, UserModelInUse
from workers.user_models_topic import active_user_record

# Before a pointer is moved again, it must have had time to come back.
_POINTER_AGAIN_S = 5.0
# A store that hangs holds up no start: lists are made without, until it answers.
_START_WAIT_S = 10.0

_log = structlog.get_logger()


class ListedUserModels(ModelRounds):
    """Loads user models, and says which one lists of a space are made with.

    Args:
        at_start: What the settings name.
        start: What they say besides.
        follow: Has lists made with what `of` says by now.
    """

    role = USER_MODELS

    def __init__(
        self,
        parts: ModelParts,
        loader: UserBundleLoader,
        *,
        at_start: UserModelInUse,
        start: Start,
        follow: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(parts.store, parts.settings)
        self._parts = parts
        self._follower: ModelsFollower = parts.follower
        self._at_start = at_start
        self._start = start
        self.follow = follow
        self._last: dict[str, UserModel | None] = {}
        self._pointed: dict[str, tuple[ModelRef, float]] = {}
        self._shelf: BundleShelf[CarefulUserModel] = BundleShelf(
            lambda bundle: loader.load(bundle),
            lambda bundle: self._follower.all.users_of(bundle.space),
            topics=parts.topics,
            publisher=parts.publisher,
            role=USER_MODELS,
            now=parts.now,
        )

    def of(self, space: str) -> UserModel | None:
        """What lists of a space are made with now.

        Where what the pointer names cannot be had by this worker, that is what they were made with before.
        """
        users = self._follower.all.users_of(space)
        bundle = users.bundle(users.active_ref)
        if bundle is None:
            self._last[space] = self._at_start.held(space)
        elif (held := self._shelf.held(bundle)) is not None:
            self._last[space] = held
        return self._last.get(space)

    async def load_active(self, space: str) -> None:
        """Load what serves in a space, for a worker that starts; one that cannot be had soon comes later."""
        users = self._follower.all.users_of(space)
        bundle = users.bundle(users.active_ref)
        if bundle is not None:
            await self._shelf.try_for(bundle, _START_WAIT_S)

    async def stop(self) -> None:
        """See `ModelRounds.stop`."""
        await super().stop()
        await self._shelf.stop()

    async def round(self) -> None:
        """See `ModelRounds.round`."""
        state = self._follower.all
        kept = state.kept_user_models(self._start)
        for bundle in kept:
            self._shelf.wanted(bundle)
        announced = [held for users in state.users.values() for held in users.bundles.values()]
        self._shelf.look_ahead(announced)
        self._shelf.let_go(announced, kept)
        spaces = state.kept_spaces(self._start)
        self._last = {space: model for space, model in self._last.items() if space in spaces}
        self.follow()
        space = state.serving_space(self._start)
        users = state.users_of(space)
        report = ModelReport(
            role=USER_MODELS,
            serving=str(users.active_ref if self._has(users) else START),
            space=space,
            checked=sorted(str(bundle.ref) for bundle in self._shelf.checked),
            ready={str(one.ref): one.sha256 for one in kept if self._shelf.held(one) is not None},
        )
        if await self.tell(report):
            await self._move_pointers()

    def _has(self, users: Lifecycle) -> bool:
        bundle = users.bundle(users.active_ref)
        return bundle is None or self._shelf.held(bundle) is not None

    async def _move_pointers(self) -> None:
        """Move those that are due, if it is ours to do."""
        state = self._follower.all
        targets = state.user_targets(self._start)
        if not targets:
            return
        found = decode_reports(await self.store.reports())
        reports = {name: one for name, one in found.items() if one.role == USER_MODELS}
        if self.worker != min(reports, default=""):
            return
        ready = [one.ready for one in reports.values()]
        now_s = asyncio.get_running_loop().time()
        for space in targets:
            due = user_switch_due(state, space, self._start, ready)
            said, said_s = self._pointed.get(space, (None, 0.0))
            if due is None or (said == due and now_s - said_s < _POINTER_AGAIN_S):
                continue
            self._pointed[space] = (due, now_s)
            await self._move_pointer(state, space, due)

    async def _move_pointer(self, state: Lifecycles, space: str, due: ModelRef) -> None:
        users = state.users_of(space)
        dimension = state.dimension_of(space, self._start)
        if dimension is None:
            return
        _log.info("all are ready: another user model serves from now on", model=str(due), space=space)
        record = active_user_record(
            self._parts.topics,
            due,
            (space, dimension),
            users.bundle(due),
            users.active_ref,
            self._parts.now(),
        )
        await self._parts.publisher.publish([record])
