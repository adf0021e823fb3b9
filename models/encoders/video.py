"""Video: its frames in the image space, pooled, beside its sound in the audio space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import Encoder, Samples, Vectors, VideoInput, unit_rows
from models.encoders.frame_weights import FrameWeights
from models.encoders.image import ImageEncoder
from models.encoders.manifest import VideoManifest
from models.encoders.session import SessionSettings
from models.errors import BatchError, EncoderInputError, ManifestError


class VideoEncoder(Encoder[VideoInput]):
    """Encodes ``VideoInput``.

    The vector is [frames, sound]: the first ``image.dimension`` numbers are the normalised sum of the frames'
    vectors, each times its weight, the rest the sound's vector; each half has unit length, or is zeros where
    it is missing. Weights are those of the manifest's ``pooling`` graph, or all the same where it names none.
    """

    manifest: VideoManifest

    def __init__(
        self,
        folder: Path,
        manifest: VideoManifest,
        settings: SessionSettings,
        image: ImageEncoder,
        audio: AudioEncoder,
    ) -> None:
        """Raises ManifestError where the parts do not fit, or the graph is not what the manifest says."""
        self.manifest = manifest
        self.image = image
        self.audio = audio
        self._weights = (
            FrameWeights(folder, manifest.pooling, image.dimension, settings) if manifest.pooling else None
        )
        if image.dimension + audio.dimension != manifest.dimension:
            raise ManifestError(
                f"{manifest.name}: `dimension` is {manifest.dimension}, but {image.name} ({image.dimension}) "
                f"and {audio.name} ({audio.dimension}) make {image.dimension + audio.dimension}. Correct it."
            )

    @property
    def frames(self) -> int:
        """How many frames, sampled over the video's length, it is meant for."""
        return self.manifest.preprocessing.frames

    @property
    def size_px(self) -> int:
        """The side of the square frames it takes."""
        return self.image.size_px

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the sound it takes."""
        return self.audio.sample_rate_hz

    def sample(self) -> VideoInput:
        frame = self.image.sample()
        return VideoInput(np.stack([frame, frame[::-1]]), self.audio.sample())

    def _forward(self, batch: Sequence[VideoInput]) -> Vectors:
        bad = tuple(
            row
            for row, item in enumerate(batch)
            if not isinstance(item, VideoInput)
            or not isinstance(item.frames, np.ndarray)
            or item.frames.ndim != 4
        )
        if bad:
            raise EncoderInputError(
                f"{self.name} takes VideoInput with uint8 frames of shape [frames, {self.size_px}, "
                f"{self.size_px}, 3].",
                bad,
            )
        return np.concatenate([self._frames(batch), self._sound(batch)], axis=1)

    def _frames(self, batch: Sequence[VideoInput]) -> Vectors:
        counts = np.array([len(item.frames) for item in batch])
        owners = np.repeat(np.arange(len(batch)), counts)
        sums = np.zeros((len(batch), self.image.dimension), np.float32)
        try:
            vectors = self.image.encode([frame for item in batch for frame in item.frames])
        except BatchError as error:
            rows = tuple(sorted({int(owners[row]) for row in error.rows}))
            raise type(error)(error.detail, rows) from error
        if self._weights:
            vectors = self._weights.of(vectors, counts)[:, None] * vectors
        np.add.at(sums, owners, vectors)
        return unit_rows(sums)

    def _sound(self, batch: Sequence[VideoInput]) -> Vectors:
        silence: Samples = np.zeros(0, np.float32)
        return self.audio.encode([silence if item.audio is None else item.audio for item in batch])
