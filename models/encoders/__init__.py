"""Encoders: ONNX networks with a manifest each, from preprocessed input to unit vectors."""

from models.encoders.encoder import Encoder, VideoInput
from models.encoders.loading import load_encoder
from models.encoders.manifest import (
    AnyManifest,
    AudioManifest,
    EncoderManifest,
    ImageManifest,
    Modality,
    TextManifest,
    VideoManifest,
    read_manifest,
)
from models.encoders.registry import EncoderRegistry
from models.encoders.session import SessionSettings

__all__ = [
    "AnyManifest",
    "AudioManifest",
    "Encoder",
    "EncoderManifest",
    "EncoderRegistry",
    "ImageManifest",
    "Modality",
    "SessionSettings",
    "TextManifest",
    "VideoInput",
    "VideoManifest",
    "load_encoder",
    "read_manifest",
]
