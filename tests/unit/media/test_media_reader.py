"""What an encode role sees of media: bytes in, the encoder's input out."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.encoders.encoder import VideoInput
from models.preprocessing.image import decode_image
from models.preprocessing.limits import MediaLimits
from streams.errors import MediaTooLargeError, MediaUnreadableError
from streams.messages import Media
from tests.unit.full_disk import full_disk
from tests.unit.preprocessing.media_samples import quadrants, saved, sound_file, tone, video_file
from workers.media.decoder_pool import DECODERS, DecoderPool
from workers.media.fetch import MediaFetcher
from workers.media.fetch_settings import MediaFetchSettings
from workers.media.reader import PooledMediaReader

LIMITS = asdict(MediaLimits(max_seconds=1.0))
VIDEO = {"size_px": 32, "fit": "crop", "frames": 3, "sample_rate_hz": 16_000}


def inline(data: bytes) -> Media:
    return Media(kind="image", data=base64.b64encode(data).decode())


async def test_image() -> None:
    options = {"size_px": 32, "fit": "pad", "limits": LIMITS}
    async with MediaFetcher() as fetcher, DecoderPool(decoders={"image": DECODERS["image"]}) as pool:
        reader = PooledMediaReader("image", options, fetcher, pool)
        data = await reader.fetch(inline(saved(quadrants(), "PNG")))
        assert np.array_equal(await reader.decode(data), decode_image(data, 32, fit="pad"))
        with pytest.raises(MediaUnreadableError):
            await reader.decode(b"no image")


async def test_sound() -> None:
    options = {"sample_rate_hz": 8_000, "limits": LIMITS}
    async with MediaFetcher() as fetcher, DecoderPool(decoders={"audio": DECODERS["audio"]}) as pool:
        reader = PooledMediaReader("audio", options, fetcher, pool)
        sound = await reader.decode(sound_file("ogg", "libopus", tone(3.0)))
        assert (sound.shape, sound.dtype) == ((8_000,), np.float32)


async def test_video() -> None:
    async with MediaFetcher() as fetcher, DecoderPool(decoders={"video": DECODERS["video"]}) as pool:
        reader = PooledMediaReader("video", VIDEO | {"limits": LIMITS}, fetcher, pool)
        silent = await reader.decode(video_file("mp4", "libx264", range(0, 250, 5)))
        assert isinstance(silent, VideoInput)
        assert silent.frames.shape == (3, 32, 32, 3)
        assert silent.audio is None
        heard = await reader.decode(video_file("mp4", "libx264", range(0, 250, 5), sound=("aac", tone(2.0))))
        assert heard.audio is not None
        assert heard.audio.shape == (16_000,)
        narrow = asdict(MediaLimits(max_pixels=100))
        strict = PooledMediaReader("video", VIDEO | {"limits": narrow}, fetcher, pool)
        with pytest.raises(MediaTooLargeError, match="pixels"):
            await strict.decode(video_file("mp4", "libx264", range(0, 250, 5)))


async def test_media_need_no_room_on_a_disk(tmp_path: Path) -> None:
    """Not even for a child that is started anew; what a child may open is told in `decoder_child`."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(saved(quadrants(), "PNG"))
    options = {"size_px": 32, "fit": "pad", "limits": LIMITS}
    fetcher = MediaFetcher(MediaFetchSettings(roots=(tmp_path,)))
    with full_disk() as not_written:
        async with fetcher, DecoderPool(decoders={"image": DECODERS["image"]}) as pool:
            reader = PooledMediaReader("image", options, fetcher, pool)
            for media in (inline(picture.read_bytes()), Media(kind="image", uri=picture.as_uri())):
                decoded = await reader.decode(await reader.fetch(media))
                assert decoded.shape == (32, 32, 3)
    assert not_written == []
