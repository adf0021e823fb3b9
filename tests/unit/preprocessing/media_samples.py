"""Small media files, made on the spot."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quadrants() -> Image.Image:
    """64×64: red and green above, blue and white below."""
    picture = np.empty((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:] = RED, GREEN
    picture[32:, :32], picture[32:, 32:] = BLUE, WHITE
    return Image.fromarray(picture)


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def corners(array: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The colours of the four quadrants: above left, above right, below left, below right."""
    size = len(array)
    near, far = size // 4, size - size // 4 - 1
    return [tuple(map(int, array[row, column])) for row in (near, far) for column in (near, far)]


def png_with_header(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG that claims a size: 8-bit grey, with the given compressed pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tone(
    seconds: float, rate: int = 48_000, amplitude: float = 0.3, hertz: float = 440.0
) -> NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def sound_file(
    container: str, codec: str, samples: NDArray[np.float32], rate: int = 48_000, channels: int = 1
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = "stereo" if channels == 2 else "mono"
        _write_sound(output, stream, samples, rate)
    return file.getvalue()


def _write_sound(output: Any, stream: Any, samples: NDArray[np.float32], rate: int) -> None:
    channels = stream.layout.nb_channels
    resampler = av.AudioResampler(
        format=stream.format,
        layout=stream.layout,
        rate=rate,
        frame_size=stream.codec_context.frame_size or 1_024,
    )
    interleaved = np.repeat(samples, channels)[None].astype(np.float32)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=stream.layout.name)
    frame.sample_rate = rate
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))


def video_file(
    container: str,
    codec: str,
    greys: Sequence[int],
    *,
    times: Sequence[int] | None = None,
    sound: tuple[str, NDArray[np.float32]] | None = None,
    size: tuple[int, int] = (96, 64),
    gop: int = 12,
    pictures: Sequence[Image.Image] = (),
) -> bytes:
    """A video of one grey a frame (or of pictures), 25 frames a second, or at ``times`` in 1/25 s."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.gop_size = gop
        track: Any = output.add_stream(sound[0], rate=48_000) if sound else None
        if track is not None:
            track.layout = "mono"
        frames = [np.full((size[1], size[0], 3), grey, np.uint8) for grey in greys]
        frames += [np.asarray(picture.resize(size)) for picture in pictures]
        for index, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = times[index] if times else index
            frame.time_base = Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            _write_sound(output, track, sound[1], 48_000)
    return file.getvalue()


def shared_files(name: str, count: int) -> list[bytes]:
    """Real files of a shared data set, a zip below the folder that FRESHET_SHARED_DIR names."""
    root = Path(os.environ.get("FRESHET_SHARED_DIR", Path(__file__).parents[4] / "shared"))
    archive = root / "data" / name
    if not archive.exists():
        pytest.skip(f"no {archive}: set FRESHET_SHARED_DIR")
    with zipfile.ZipFile(archive) as files:
        names = [entry for entry in files.namelist() if entry.endswith((".jpg", ".ogg"))]
        return [files.read(entry) for entry in names[:: max(1, len(names) // count)][:count]]
