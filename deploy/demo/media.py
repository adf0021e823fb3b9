"""Photographs, clips and films as small files in free formats. The same input gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from PIL import Image

MAX_SIDE_PX = 160
JPEG_QUALITY = 80
CLIP_BITS_PER_S = 24_000
SAMPLE_RATE_HZ = 16_000
CLIP_S = 5.0
FILM_S = 4.0
FRAMES_PER_S = 10
# Constant quality of VP9, 0 (best) to 63.
_FILM_CRF = "40"
# Without it, the muxers write random serial numbers.
_REPRODUCIBLE = {"fflags": "+bitexact"}


def photograph(data: bytes) -> bytes:
    """JPEG of at most 160 px a side, without metadata."""
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB")
    small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def clip(data: bytes) -> bytes:
    """Opus in Ogg, mono, five seconds at most."""
    out = io.BytesIO()
    with av.open(out, "w", format="ogg", container_options=_REPRODUCIBLE) as container:
        sound = _opus_stream(container)
        for frame in _sound_frames(data, sound.codec_context.frame_size, CLIP_S):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return out.getvalue()


def film(photographs: Sequence[bytes], sound_data: bytes | None) -> bytes:
    """WebM of four seconds: the photographs, of equal size, one after the other in VP9; the clip in Opus."""
    images = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in photographs]
    out = io.BytesIO()
    with av.open(out, "w", format="webm", container_options=_REPRODUCIBLE) as container:
        picture = container.add_stream(
            "libvpx-vp9",
            rate=FRAMES_PER_S,
            options={"crf": _FILM_CRF, "b": "0", "threads": "1", "deadline": "good", "cpu-used": "2"},
        )
        picture.height, picture.width = images[0].shape[:2]
        picture.pix_fmt = "yuv420p"
        sound = None if sound_data is None else _opus_stream(container)
        count = round(FILM_S * FRAMES_PER_S)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(images[number * len(images) // count], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None and sound_data is not None:
            for samples in _sound_frames(sound_data, sound.codec_context.frame_size, FILM_S):
                container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return out.getvalue()


def _opus_stream(container: av.container.OutputContainer) -> av.AudioStream:
    stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono")
    stream.bit_rate = CLIP_BITS_PER_S
    stream.codec_context.open()
    return stream


def _sound_frames(data: bytes, frame_samples: int, seconds: float) -> Iterator[av.AudioFrame]:
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ, frame_size=frame_samples)
    with av.open(io.BytesIO(data), "r") as container:
        for decoded in container.decode(audio=0):
            if decoded.time is not None and decoded.time >= seconds:
                break
            yield from resampler.resample(decoded)
        yield from resampler.resample(None)
