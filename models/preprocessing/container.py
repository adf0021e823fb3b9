"""Opening a media container from memory, with nothing else within its reach."""

from __future__ import annotations

import importlib
import io
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import av
import av.audio
import av.codec
import av.container as av_container
import av.filter
import av.sidedata
import av.subtitles
import av.video
from av.container import InputContainer

from models.errors import MediaTooLargeError, MediaUnreadableError

# FFmpeg's demuxers for the formats that people publish. Not here: playlists and scripts that name other files
# or addresses (hls, dash, concat, sdp, image2, …), devices, raw data without a header, still images.
CONTAINER_FORMATS: Final = (
    *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "eac3", "flac", "flv", "gif", "ivf"),
    *("loas", "matroska", "mov", "mp3", "mp4", "mpeg", "mpegts", "ogg", "tta", "w64", "wav", "webm", "wv"),
)
"""The containers that are read, by FFmpeg's names."""

OPEN_OPTIONS: Final = {
    "format_whitelist": ",".join(CONTAINER_FORMATS),
    # A list of one name that no protocol has: the demuxer can open no other file or address.
    "protocol_whitelist": "none",
}
"""How FFmpeg opens containers: either option by itself keeps it from whatever is named in the file."""


def _import_all_of_pyav() -> None:
    """PyAV imports a part when the first file needs it; a process that may open no file any more cannot."""
    for package in (av.audio, av.codec, av_container, av.filter, av.sidedata, av.subtitles, av.video):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


_import_all_of_pyav()


@contextmanager
def open_container(data: bytes) -> Iterator[InputContainer]:
    """Opens a sound or a video.

    Args:
        data: an encoded file in one of :data:`CONTAINER_FORMATS`, told by its content.

    Yields:
        The open container. Whatever FFmpeg or PyAV raise within the ``with`` block comes out as below.

    Raises:
        MediaUnreadableError: of a format not read here, broken or cut off.
        MediaTooLargeError: as raised within the block.
    """
    try:
        with av.open(io.BytesIO(data), mode="r", container_options=OPEN_OPTIONS) as container:
            yield container
    except (MediaUnreadableError, MediaTooLargeError, MemoryError):
        raise
    except Exception as error:
        # PyAV raises FFmpegError, but also ValueError, IndexError and others where a file is inconsistent.
        raise MediaUnreadableError(
            f"no sound or video in a format that is read here, or broken: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or error or type(error).__name__)
