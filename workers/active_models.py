"""A worker's part in the life of models: it follows `models`, loads and checks bundles, says how far it is.

What becomes of a loaded model is the role's matter: see `workers.fused_spaces` and `workers.listed_spaces`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from models.fusion import Fusion
from models.lifecycle import START, Bundle, Lifecycle, ModelRef
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bundle_shelf import BundleShelf
from workers.model_bundles import BundleLoader
from workers.model_reports import ModelReport
from workers.model_rounds import ModelRounds
from workers.models_topic import ModelsFollower
from workers.ports import Publisher
from workers.state.store import StateStore


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


class ActiveModels(ModelRounds):
    """Gets a role ready for what is wanted."""

    def __init__(self, parts: ModelParts) -> None:
        super().__init__(parts.store, parts.settings)
        self.topics = parts.topics
        self.publisher = parts.publisher
        self.now = parts.now
        self._follower = parts.follower
        self._start = parts.start
        self._shelf: BundleShelf[Fusion] = BundleShelf(
            lambda bundle: parts.loader.load(bundle),
            lambda bundle: self.lifecycle,
            topics=parts.topics,
            publisher=parts.publisher,
            role=self.role,
            now=parts.now,
        )

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

    async def stop(self) -> None:
        """See `ModelRounds.stop`."""
        await super().stop()
        await self._shelf.stop()

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
        fusion = self._shelf.wanted(bundle)
        return None if fusion is None else LoadedModel(ref, bundle, fusion)

    def refuse_soon(self, bundle: Bundle, reason: str) -> None:
        """Say that a bundle is unfit, in the background."""
        self._shelf.refuse_soon(bundle, reason)

    async def round(self) -> None:
        """See `ModelRounds.round`."""
        state = self.lifecycle
        status = await self.step(state)
        announced = state.bundles.values()
        self._shelf.look_ahead(announced)
        kept = (state.bundle(ref) for ref in state.kept)
        self._shelf.let_go(announced, {bundle for bundle in kept if bundle is not None})
        report = ModelReport(
            role=self.role,
            serving=str(status.serving),
            space=status.space,
            ready_for=None if status.ready_for is None else str(status.ready_for.ref),
            ready_sha256=_sha256(status.ready_for),
            checked=sorted(str(bundle.ref) for bundle in self._shelf.checked),
            detail=status.detail,
            covered=status.covered,
            items=status.items,
        )
        if await self.tell(report):
            await self.after_report(state)


def same_content(one: Bundle | None, other: Bundle | None) -> bool:
    """Whether two are of the same bytes, wherever these lie; None is what the settings say."""
    return (one and one.sha256) == (other and other.sha256)


def _sha256(model: LoadedModel | None) -> str | None:
    return None if model is None or model.bundle is None else model.bundle.sha256
