"""From a folder to an encoder that has proved to work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import Encoder
from models.encoders.image import ImageEncoder
from models.encoders.manifest import (
    AnyManifest,
    AudioManifest,
    ImageManifest,
    TextManifest,
    VideoManifest,
    read_manifest,
)
from models.encoders.session import SessionSettings
from models.encoders.text import TextEncoder
from models.encoders.video import VideoEncoder
from models.errors import ManifestError

AnyEncoder = Encoder[Any]
Resolve = Callable[[str], AnyEncoder]

BUNDLED_FOLDER = Path(__file__).parent


def load_encoder(
    folder: Path, settings: SessionSettings | None = None, *, resolve: Resolve | None = None
) -> AnyEncoder:
    """Loads the encoder in ``folder``, checks its files against its manifest, and runs it on a sample.

    ``resolve`` gives the encoders that a video manifest names; by default they are looked for beside
    ``folder``, then among the bundled ones.

    Raises:
        ManifestError: the manifest or a file is wrong; the message says what to do.
    """
    manifest = read_manifest(folder)
    settings = settings or SessionSettings()
    encoder = _build(folder, manifest, settings, resolve or _beside(folder, settings))
    encoder.check()
    return encoder


def _build(folder: Path, manifest: AnyManifest, settings: SessionSettings, resolve: Resolve) -> AnyEncoder:
    match manifest:
        case TextManifest():
            return TextEncoder(folder, manifest, settings)
        case ImageManifest():
            return ImageEncoder(folder, manifest, settings)
        case AudioManifest():
            return AudioEncoder(folder, manifest, settings)
        case VideoManifest():
            image = resolve(manifest.preprocessing.image_encoder)
            audio = resolve(manifest.preprocessing.audio_encoder)
            if not isinstance(image, ImageEncoder) or not isinstance(audio, AudioEncoder):
                raise ManifestError(
                    f"{manifest.name}: `image_encoder` {image.name} encodes {image.modality} and "
                    f"`audio_encoder` {audio.name} encodes {audio.modality}. Name one of each kind."
                )
            return VideoEncoder(folder, manifest, settings, image, audio)


def _beside(folder: Path, settings: SessionSettings) -> Resolve:
    def resolve(name: str) -> AnyEncoder:
        sibling = folder.parent / name
        return load_encoder(sibling if sibling.is_dir() else BUNDLED_FOLDER / name, settings)

    return resolve
