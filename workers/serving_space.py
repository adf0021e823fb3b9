"""Which vector space serves now, for those who look from outside: commands, checks and the console."""

from __future__ import annotations

from collections.abc import Callable

from models.fusion import Fusion
from models.lifecycle import Lifecycle, ModelRef
from streams.errors import FreshetError
from streams.settings import Settings
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.models_topic import read_lifecycle


def serving_space(settings: Settings) -> tuple[str, int]:
    """Name and dimension of the space that the pointer names; of the settings where there is none.

    Raises:
        ManifestError: An encoder of the settings is wrong.
        ConfigurationError: There is no topic `models`.
        DependencyDownError: Kafka does not answer.
    """
    state = read_lifecycle(settings)
    return space_of(state, state.active_ref, lambda: fusion_in_use(settings, encoder_registry(settings)))


def space_of(state: Lifecycle, ref: ModelRef, start: Callable[[], Fusion]) -> tuple[str, int]:
    """Name and dimension of a version's space.

    Args:
        start: The fusion of the settings; asked for where no bundle says it.
    """
    bundle = state.bundle(ref)
    if bundle is not None:
        return bundle.space, bundle.dimension
    fusion = start()
    return fusion.space, fusion.dimension


def spaces_in_groups(settings: Settings, start: str) -> list[str]:
    """Spaces that groups of roles may be named by: the one that serves, and that of the settings.

    Args:
        start: The space of the settings.
    """
    try:
        return list(dict.fromkeys([serving_space(settings)[0], start]))
    except FreshetError:  # whoever asks finds out anyhow what is wrong with Kafka
        return [start]
