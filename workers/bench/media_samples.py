"""Pictures, sounds and films, made on the spot, each different from the others."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PICTURE_PX = (640, 480)
SOUND_S = 5
SOUND_HZ = 16_000
FILM_PX = (320, 240)
FILM_FRAMES_PER_S = 10
FILM_S = 5


def picture(number: int) -> bytes:
    """A JPEG of 640 × 480: smooth shapes with some noise."""
    return _saved(Image.fromarray(_pixels(number, PICTURE_PX)))


def sound(number: int) -> bytes:
    """Five seconds of WAV at 16 kHz, mono: tones with some noise."""
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(SOUND_HZ)
        output.writeframes(_samples(number).tobytes())
    return file.getvalue()


def film(number: int) -> bytes:
    """Five seconds of MP4 (MPEG-4 part 2, which every build of FFmpeg writes), without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream: Any = output.add_stream("mpeg4", rate=FILM_FRAMES_PER_S)
        stream.width, stream.height = FILM_PX
        stream.pix_fmt = "yuv420p"
        first = _pixels(number, FILM_PX)
        for index in range(FILM_S * FILM_FRAMES_PER_S):
            frame = av.VideoFrame.from_ndarray(np.roll(first, 4 * index, axis=1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FILM_FRAMES_PER_S)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


MAKERS = {"image": picture, "audio": sound, "video": film}


def title(number: int) -> str:
    """Nine words."""
    random = np.random.default_rng(number)
    return " ".join(_WORDS[index] for index in random.integers(0, len(_WORDS), 9)) + f" {number}"


_TEXT = (
    "red blue summer cotton leather boots rain dog bark city night music story of the old garden "
    "winter travel cooking history light small river mountain"
)
_WORDS = tuple(_TEXT.split())


def _pixels(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize(size)
    noise = random.integers(-12, 13, (size[1], size[0], 3), np.int16)
    return np.asarray(np.clip(np.asarray(coarse, np.int16) + noise, 0, 255), np.uint8)


def _samples(number: int) -> NDArray[np.int16]:
    random = np.random.default_rng(number)
    time_s = np.arange(SOUND_S * SOUND_HZ) / SOUND_HZ
    tones = sum(np.sin(2 * np.pi * hertz * time_s) for hertz in random.uniform(80, 4_000, 4))
    noise = 0.1 * random.standard_normal(len(time_s))
    return np.asarray((6_000 * (tones / 4 + noise)).clip(-32_000, 32_000), "<i2")


def _saved(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
