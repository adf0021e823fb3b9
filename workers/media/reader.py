"""Media of one kind, from where they lie to what the encoder takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import VideoInput
from models.encoders.image import ImageEncoder
from models.encoders.loading import AnyEncoder
from models.encoders.video import VideoEncoder
from models.preprocessing.limits import MediaLimits
from streams.errors import DefectError
from streams.messages import Media
from streams.settings import MediaSettings, Settings
from workers.media.decoder_pool import DECODERS, DecoderPool, DecoderPoolSettings
from workers.media.fetch import MediaFetcher
from workers.media.fetch_settings import MediaFetchSettings


class PooledMediaReader:
    """Fetches media here, and decodes them in child processes.

    Args:
        kind: What the pool decodes.
        options: The decoder's, which follow from the encoder and the settings.
    """

    def __init__(self, kind: str, options: dict[str, Any], fetcher: MediaFetcher, pool: DecoderPool) -> None:
        self._kind = kind
        self._options = options
        self._fetcher = fetcher
        self._pool = pool

    async def fetch(self, media: Media) -> bytes:
        """The encoded bytes; see `MediaFetcher.fetch`."""
        return await self._fetcher.fetch(media)

    async def decode(self, data: bytes) -> Any:
        """The encoder's input; see `DecoderPool.decode`."""
        arrays = await self._pool.decode(self._kind, data, self._options)
        if self._kind == "video":
            frames, sound = arrays
            if frames is None:
                raise DefectError("the video decoder gave no frames")
            return VideoInput(frames, sound)
        (array,) = arrays
        return array


@asynccontextmanager
async def media_reader(encoder: AnyEncoder, settings: Settings) -> AsyncIterator[PooledMediaReader]:
    """A reader for what ``encoder`` encodes, with its child processes."""
    media = settings.media
    max_bytes: int = getattr(media, f"{encoder.modality}_max_bytes")
    fetch_settings = MediaFetchSettings(
        roots=media.file_roots,
        allowed_hosts=media.allowed_hosts,
        allow_private_addresses=media.allow_private_addresses,
        allowed_schemes=frozenset(media.allowed_schemes),
        max_bytes=max_bytes,
        inline_max_bytes=media.inline_max_bytes,
        deadline_s=media.fetch_deadline_s,
        attempts=media.fetch_attempts,
        max_redirects=media.max_redirects,
    )
    pool_settings = DecoderPoolSettings(
        processes=media.decode_processes,
        timeout_s=media.decode_timeout_s,
        memory_bytes=media.decode_memory_bytes,
    )
    decoders: dict[str, str] = {encoder.modality: DECODERS[encoder.modality]}
    async with (
        MediaFetcher(fetch_settings) as fetcher,
        DecoderPool(pool_settings, decoders) as pool,
    ):
        yield PooledMediaReader(encoder.modality, decoder_options(encoder, media), fetcher, pool)


def decoder_options(encoder: AnyEncoder, media: MediaSettings) -> dict[str, Any]:
    """How a decoder of `DECODERS` is to decode for an encoder: its arguments, the limits as a dict."""
    seconds = media.video_max_s if encoder.modality == "video" else media.audio_max_s
    limits = MediaLimits(
        max_bytes=getattr(media, f"{encoder.modality}_max_bytes"),
        max_pixels=media.max_pixels,
        max_seconds=seconds,
        # A little before the child is ended, so that a slow file is refused and not a crash.
        deadline_s=0.9 * media.decode_timeout_s,
    )
    options: dict[str, Any] = {"limits": asdict(limits)}
    match encoder:
        case ImageEncoder():
            options |= {"size_px": encoder.size_px, "fit": encoder.manifest.preprocessing.fit}
        case AudioEncoder():
            options |= {"sample_rate_hz": encoder.sample_rate_hz}
        case VideoEncoder():
            options |= {
                "size_px": encoder.size_px,
                "frames": min(encoder.frames, media.video_frames),
                "fit": encoder.image.manifest.preprocessing.fit,
                "sample_rate_hz": encoder.sample_rate_hz,
            }
    return options
