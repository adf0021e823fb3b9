"""What of the models is wired alike in every role that depends on which one serves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from models.encoders.registry import EncoderRegistry
from models.fusion import Fusion
from models.lifecycle import Bundle
from models.lifecycles import Lifecycles, Start
from models.user import UserModel
from workers.active_models import LoadedModel, ModelParts
from workers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S
from workers.encoders_in_use import encoder_registry, fusion_of, specs_in_use
from workers.listed_user_models import ListedUserModels
from workers.model_at_start import active_model
from workers.model_bundles import BundleLoader
from workers.models_topic import ModelsFollower
from workers.serving_space import space_of
from workers.user_bundles import UserBundleLoader
from workers.user_model_in_use import UserModelInUse
from workers.wiring.around import Around, utc_now

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Models:
    """The versions as this worker follows them, and the one that served when it started."""

    follower: ModelsFollower
    loader: BundleLoader
    registry: EncoderRegistry
    start: Fusion
    active: LoadedModel

    def parts(self, around: Around) -> ModelParts:
        """What `ActiveModels` is made of."""
        return ModelParts(
            settings=around.settings,
            topics=around.topics,
            store=around.store,
            publisher=around.publisher,
            follower=self.follower,
            loader=self.loader,
            start=self.start,
            now=utc_now,
        )


async def followed_models(around: Around) -> Models:
    """Follow `models`, and load what serves; waits while that cannot be."""
    registry = encoder_registry(around.settings)
    specs = specs_in_use(around.settings, registry)
    start = fusion_of(around.settings, specs)
    follower = ModelsFollower(around.settings, around.topics)
    around.resources.push_async_callback(follower.stop)
    await follower.start()
    loader = BundleLoader(around.settings, specs)
    return Models(follower, loader, registry, start, await active_model(follower, loader, start))


def followed_user_models(around: Around, models: Models, at_start: UserModelInUse) -> ListedUserModels:
    """User models as a recommend worker follows them; ``at_start`` is what the settings name."""
    start = Start(models.start.space, models.start.dimension, at_start.space)
    loader = UserBundleLoader(around.settings, lambda: models.follower.all.known_spaces(start))
    return ListedUserModels(models.parts(around), loader, at_start=at_start, start=start)


@dataclass(frozen=True, slots=True)
class ActiveSpace:
    """What a role reads that makes no lists: it starts anew where another one comes to serve.

    Attributes:
        user_model: That of the space; None for what the settings say.
    """

    space: str
    dimension: int
    user_model: Bundle | None


async def active_space(around: Around) -> ActiveSpace:
    """The space that serves; the role starts anew when another one does.

    For roles that read vectors, and fuse none: they load no bundle of a fusion.
    """
    return (await _active_space(around, with_user_models=False))[0]


async def active_space_and_user_model(around: Around) -> tuple[ActiveSpace, UserModel | None, bool]:
    """As `active_space`, with the user model of the space, if there is one; another one counts as well.

    Returns:
        Besides the space: the model, and whether one was ever brought into use.
    """
    active, follower, start = await _active_space(around, with_user_models=True)
    spaces = [(start.space, start.dimension), (active.space, active.dimension)]
    at_start = UserModelInUse(around.settings, spaces)
    known = follower.all.known_spaces(Start(start.space, start.dimension, at_start.space))
    has_any = follower.all.has_user_models
    if active.user_model is None:
        return active, at_start.of(active.space), has_any
    loader = UserBundleLoader(around.settings, lambda: known)
    return active, await _loaded(loader, active.user_model), has_any


async def _loaded(loader: UserBundleLoader, bundle: Bundle) -> UserModel | None:
    """A few tries: the role goes on without it, rather than not at all."""
    for wait_s in (FIRST_WAIT_S, LONGEST_WAIT_S, None):
        try:
            return await loader.load(bundle)
        except Exception as error:
            _log.error(
                "the user model that serves cannot be loaded here", model=str(bundle.ref), why=str(error)
            )
            if wait_s is not None:
                await asyncio.sleep(wait_s)
    return None


async def _active_space(
    around: Around, *, with_user_models: bool
) -> tuple[ActiveSpace, ModelsFollower, Fusion]:
    registry = encoder_registry(around.settings)
    start = fusion_of(around.settings, specs_in_use(around.settings, registry))
    read: list[ActiveSpace] = []

    def now(state: Lifecycles) -> ActiveSpace:
        space, dimension = space_of(state.fusions, state.fusions.active_ref, lambda: start)
        users = state.users_of(space)
        bundle = users.bundle(users.active_ref) if with_user_models else None
        return ActiveSpace(space, dimension, bundle)

    def on_change(state: Lifecycles) -> None:
        if read and now(state) != read[0]:
            around.start_anew()

    follower = ModelsFollower(around.settings, around.topics, on_change)
    around.resources.push_async_callback(follower.stop)
    await follower.start()
    read.append(now(follower.all))
    return read[0], follower, start
