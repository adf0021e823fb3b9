"""Video to frames sampled over its length, plus its sound track."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.audio import SAMPLE_RATE_HZ, normalise_loudness, read_sound
from models.preprocessing.container import open_container
from models.preprocessing.image import Fit, fit_square
from models.preprocessing.limits import Deadline, MediaLimits

# Far over what a film has within any sensible `max_seconds`; bounds what is kept of packets of a few bytes.
_MAX_PACKETS: Final = 200_000
# An anamorphic video has pixels up to about twice as wide as high; anything else is a broken header.
_PIXEL_ASPECTS: Final = (Fraction(1, 4), Fraction(4))


def decode_video(
    data: bytes,
    size_px: int,
    frames: int,
    limits: MediaLimits | None = None,
    fit: Fit = "crop",
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Decodes frames from the middles of equal parts of a video, and its sound.

    The length is that of the frames really there, at most the first ``limits.max_seconds``; what a header
    says of it is not believed. Time stamps may be irregular (variable frame rate). Decoding starts at the
    last key frame before a wanted frame. Where that is so far away that more than ``limits.max_frames`` would
    be decoded in all, an earlier frame is taken.

    Args:
        data: an encoded file in one of :data:`models.preprocessing.container.CONTAINER_FORMATS`.
        size_px: edge of the frames in the result, in pixels.
        frames: how many to sample.
        limits: bounds; the defaults of :class:`MediaLimits` where None.
        fit: see :func:`models.preprocessing.image.decode_image`.
        sample_rate_hz: of the sound.

    Returns:
        Frames, RGB uint8 of shape [k, size_px, size_px, 3], in order, the right way up; k is ``frames``, or
        fewer where the video has fewer, each frame once. And the sound as of
        :func:`models.preprocessing.audio.decode_audio`; None
        for a video without one, or with one that cannot be decoded.

    Raises:
        MediaUnreadableError: no video in a format that is read here, or broken from its start.
        MediaTooLargeError: over a limit on bytes, on pixels of a frame or on the time to decode.
    """
    limits = limits or MediaLimits()
    limits.check_bytes(data)
    deadline = limits.start()
    with open_container(data) as container:
        stream = _video_stream(container)
        limits.check_pixels(stream.codec_context.width, stream.codec_context.height)
        # A frame that turns out larger on the way is an error of the decoder, before it is allocated.
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        stream.codec_context.thread_count = 1
        packets = _read_packets(container, stream, limits.max_seconds, deadline)
        budget = max(1, limits.max_frames // max(1, frames))
        sampled = _sample(packets, stream, frames, budget, deadline)
        images = [_upright_square(frame, stream, size_px, fit) for frame in sampled]
    if not images:
        raise MediaUnreadableError("not one frame of the video could be decoded")
    return np.stack(images), _sound(data, limits.max_seconds, sample_rate_hz, deadline)


@dataclass(frozen=True, slots=True)
class _Packets:
    """The packets of a video in the order of decoding.

    ``times``: when their frames are shown, in order, in units of the stream's time base.
    ``keys``: the times of key frames with the places of their packets, in the order of decoding.
    """

    packets: list[Packet[VideoStream]]
    times: list[int]
    keys: list[tuple[int, int]]

    def start_for(self, time: int) -> int:
        """The packet to decode from, to get at the frame shown at ``time``."""
        return max((place for key, place in self.keys if key <= time), default=0)


def _video_stream(container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        # A cover of a song is kept as a video of one picture.
        if not stream.disposition & (Disposition.attached_pic | Disposition.still_image):
            return stream
    raise MediaUnreadableError("the file has no video")


def _read_packets(
    container: InputContainer, stream: VideoStream, max_seconds: float, deadline: Deadline
) -> _Packets:
    read = _Packets([], [], [])
    time_base = stream.time_base or Fraction(1, 1_000)
    for packet in container.demux(stream):
        deadline.check()
        if not packet.size:  # a frame left out, or the mark of the end
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:  # raw streams: the order is all there is
            packet.pts = time = len(read.packets)
        if read.times and (time - read.times[0]) * time_base > max_seconds:
            break
        if len(read.packets) >= _MAX_PACKETS:
            raise MediaTooLargeError(f"over {_MAX_PACKETS:,} frames within {max_seconds:g} s")
        if packet.is_keyframe:
            read.keys.append((time, len(read.packets)))
        if not packet.is_discard:
            read.times.append(time)
        read.packets.append(packet)
    read.times.sort()
    return read


def _sample(
    read: _Packets, stream: VideoStream, frames: int, budget: int, deadline: Deadline
) -> list[VideoFrame]:
    """The frames shown at the middles of equal parts; at most ``budget`` are decoded for each."""
    sampled: list[VideoFrame] = []
    place = 0
    decoding = _decode_from(read.packets, place, stream, deadline)
    for target in _targets(read.times, frames):
        start = read.start_for(target)
        if start > place:
            stream.codec_context.flush_buffers()
            decoding = _decode_from(read.packets, start, stream, deadline)
        frame: VideoFrame | None = None
        for _ in range(budget):
            place, frame = next(decoding, (place, frame))
            if frame is None or _time(frame) >= target:
                break
        if frame is not None:
            sampled.append(frame)
    return sampled


def _targets(times: Sequence[int], frames: int) -> list[int]:
    """Which frames to take: those on show at the middles of ``frames`` equal parts of the video."""
    if not times:
        return []
    length = times[-1] - times[0]
    middles = [times[0] + (2 * part + 1) * length // (2 * frames) for part in range(frames)]
    return [times[place] for place in sorted({bisect_right(times, middle) - 1 for middle in middles})]


def _decode_from(
    packets: Sequence[Packet[VideoStream]], start: int, stream: VideoStream, deadline: Deadline
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames in the order they are shown, each with the place of the packet after the last one decoded."""
    for place in range(start, len(packets)):
        deadline.check()
        try:
            decoded = packets[place].decode()
        except av.FFmpegError:  # one damaged packet; players go on too
            continue
        for frame in decoded:
            yield place + 1, frame
    for frame in stream.codec_context.decode(None):
        yield len(packets), frame


def _time(frame: VideoFrame) -> int:
    time = frame.pts if frame.pts is not None else frame.dts
    return 0 if time is None else time


def _upright_square(frame: VideoFrame, stream: VideoStream, size_px: int, fit: Fit) -> NDArray[np.uint8]:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not _PIXEL_ASPECTS[0] <= aspect <= _PIXEL_ASPECTS[1]:
        aspect = Fraction(1)
    width, height = float(frame.width * aspect), float(frame.height)
    # Made smaller before it becomes RGB, to twice what is needed: resampling has something to work on.
    scale = min(1.0, 2 * size_px / min(width, height))
    rgb = frame.reformat(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        format="rgb24",
        interpolation=Interpolation.AREA if scale < 1 else Interpolation.BICUBIC,
    )
    # The display matrix turns counterclockwise, as rot90 does.
    return fit_square(
        Image.fromarray(np.ascontiguousarray(np.rot90(rgb.to_ndarray(), round(frame.rotation / 90) % 4))),
        size_px,
        fit,
    )


def _sound(
    data: bytes, max_seconds: float, sample_rate_hz: int, deadline: Deadline
) -> NDArray[np.float32] | None:
    try:
        with open_container(data) as container:
            if not container.streams.audio:
                return None
            samples = read_sound(container, container.streams.audio[0], max_seconds, sample_rate_hz, deadline)
    except MediaUnreadableError:  # the pictures are still worth having
        return None
    return normalise_loudness(samples, sample_rate_hz)
