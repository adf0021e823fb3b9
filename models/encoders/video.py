"""Video: the mean of its frames in the image space beside its sound in the audio space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import Encoder, Samples, Vectors, VideoInput, unit_rows
from models.encoders.image import ImageEncoder
from models.encoders.manifest import VideoManifest
from models.errors import BatchError, EncoderInputError, ManifestError


class VideoEncoder(Encoder[VideoInput]):
    """Encodes ``VideoInput``.

    The vector is [frames, sound]: the first ``image.dimension`` numbers are the normalised mean of the
    frames' vectors, the rest the sound's vector; each half has unit length, or is zeros where it is missing.
    """

    manifest: VideoManifest

    def __init__(self, manifest: VideoManifest, image: ImageEncoder, audio: AudioEncoder) -> None:
        self.manifest = manifest
        self.image = image
        self.audio = audio
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
        return VideoInput(self.image.sample()[None], self.audio.sample())

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
        owners = np.repeat(np.arange(len(batch)), [len(item.frames) for item in batch])
        sums = np.zeros((len(batch), self.image.dimension), np.float32)
        try:
            vectors = self.image.encode([frame for item in batch for frame in item.frames])
        except BatchError as error:
            rows = tuple(sorted({int(owners[row]) for row in error.rows}))
            raise type(error)(error.detail, rows) from error
        np.add.at(sums, owners, vectors)
        return unit_rows(sums)

    def _sound(self, batch: Sequence[VideoInput]) -> Vectors:
        silence: Samples = np.zeros(0, np.float32)
        return self.audio.encode([silence if item.audio is None else item.audio for item in batch])
