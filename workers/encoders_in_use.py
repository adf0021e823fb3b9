"""Which encoders and which fusion a deployment uses, from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from models.encoders.manifest import VideoManifest
from models.encoders.registry import EncoderRegistry
from models.encoders.session import SessionSettings
from models.fusion import EncoderPart, EncoderSpec, Fusion, FusionWeights, LinearFusion
from models.fusion.trained import TrainedFusion
from streams.fields import MODALITIES, Modality
from streams.settings import Settings


def encoder_registry(settings: Settings) -> EncoderRegistry:
    """The bundled encoders and those in the user's folders; no network is loaded yet."""
    return EncoderRegistry(
        settings.encoders.folders,
        SessionSettings(threads=settings.encoders.threads, batch_size=settings.encoders.batch_size),
    )


def encoders_in_use(settings: Settings) -> dict[Modality, str]:
    """The encoder of each modality."""
    return {modality: settings.encoders.name_for(modality) for modality in MODALITIES}


def fusion_in_use(settings: Settings, registry: EncoderRegistry) -> Fusion:
    """The fusion of the settings: what serves until a pointer on `models` says otherwise.

    Reads manifests; of networks, a trained fusion's only.

    Raises:
        ManifestError: An encoder, or the trained fusion that settings name, is wrong.
    """
    return fusion_of(settings, specs_in_use(settings, registry))


def specs_in_use(settings: Settings, registry: EncoderRegistry) -> dict[Modality, EncoderSpec]:
    """What fusions need to know of the encoders in use. Reads manifests, loads no network."""
    return {modality: encoder_spec(registry, name) for modality, name in encoders_in_use(settings).items()}


def fusion_of(settings: Settings, specs: Mapping[Modality, EncoderSpec]) -> Fusion:
    """The fusion that settings name, of these encoders; see `fusion_in_use`."""
    if settings.fusion.bundle is not None:
        threads = SessionSettings(threads=settings.encoders.threads)
        return TrainedFusion(settings.fusion.bundle, specs, threads)
    return LinearFusion(specs, FusionWeights(**settings.fusion.model_dump(exclude={"bundle"})))


def encoder_spec(registry: EncoderRegistry, name: str) -> EncoderSpec:
    """What a fusion needs to know of an encoder. Reads manifests, loads no network."""
    manifest = registry.manifest(name)
    if not isinstance(manifest, VideoManifest):
        digest = sha256("".join(entry.sha256 for entry in manifest.files).encode()).hexdigest()
        return EncoderSpec(name, digest, manifest.dimension)
    image = encoder_spec(registry, manifest.preprocessing.image_encoder)
    audio = encoder_spec(registry, manifest.preprocessing.audio_encoder)
    parts = (
        EncoderPart("image", image.sha256, 0, image.dimension),
        EncoderPart("audio", audio.sha256, image.dimension, audio.dimension),
    )
    # Its own graph weighs frames: its parts stay in the spaces of their encoders, the whole changes with it.
    own = "".join(entry.sha256 for entry in manifest.files)
    digest = sha256((image.sha256 + audio.sha256 + own).encode()).hexdigest()
    return EncoderSpec(name, digest, manifest.dimension, parts)
