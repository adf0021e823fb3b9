"""What of the models is wired alike in every role that depends on which one serves."""

from __future__ import annotations

from dataclasses import dataclass

from models.encoders.registry import EncoderRegistry
from models.fusion import Fusion
from models.lifecycle import Lifecycle
from workers.active_models import LoadedModel, ModelParts
from workers.encoders_in_use import encoder_registry, fusion_of, specs_in_use
from workers.model_at_start import active_model
from workers.model_bundles import BundleLoader
from workers.models_topic import ModelsFollower
from workers.serving_space import space_of
from workers.wiring.around import Around, utc_now


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


async def active_space(around: Around) -> tuple[str, int]:
    """Name and dimension of the space that serves; the role starts anew when another one does.

    For roles that read vectors, and fuse none: they load no bundle.
    """
    registry = encoder_registry(around.settings)
    start = fusion_of(around.settings, specs_in_use(around.settings, registry))
    read: list[str] = []

    def space_now(state: Lifecycle) -> tuple[str, int]:
        return space_of(state, state.active_ref, lambda: start)

    def on_change(state: Lifecycle) -> None:
        if read and space_now(state)[0] != read[0]:
            around.start_anew()

    follower = ModelsFollower(around.settings, around.topics, on_change)
    around.resources.push_async_callback(follower.stop)
    await follower.start()
    space, dimension = space_now(follower.lifecycle)
    read.append(space)
    return space, dimension
