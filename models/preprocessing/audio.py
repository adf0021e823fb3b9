"""Sound of any common codec to mono of one rate and one loudness."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from numpy.typing import NDArray

from models.errors import MediaUnreadableError
from models.preprocessing.container import open_container
from models.preprocessing.limits import Deadline, MediaLimits

SAMPLE_RATE_HZ: Final = 16_000
TARGET_LUFS: Final = -23.0
"""EBU R 128: the loudness of programmes."""
PEAK_LIMIT: Final = 10 ** (-1 / 20)
"""EBU R 128 allows peaks up to −1 dB of full scale."""

# ITU-R BS.1770-4 measures in blocks of 400 ms and leaves out what is below −70 LUFS.
_SHORTEST_MEASURED_S: Final = 0.5
_SILENCE_LUFS: Final = -70.0
# Rates outside make the resampler allocate filters out of all proportion; no format in use has them.
_SAMPLE_RATES_HZ: Final = range(1_000, 768_001)
_MAX_CHANNELS: Final = 64


def decode_audio(
    data: bytes, limits: MediaLimits | None = None, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Decodes the first ``limits.max_seconds`` of a sound, or of a video's sound track.

    A file that breaks off gives what comes before the break.

    Args:
        data: an encoded file in one of :data:`models.preprocessing.container.CONTAINER_FORMATS`.
        limits: bounds; the defaults of :class:`MediaLimits` where None.
        sample_rate_hz: of the result.

    Returns:
        Mono, float32 of shape [samples] within [−1, 1], normalised by :func:`normalise_loudness`.

    Raises:
        MediaUnreadableError: no sound in a format that is read here, or broken from its start.
        MediaTooLargeError: over the limit on bytes, or on the time to decode.
    """
    limits = limits or MediaLimits()
    limits.check_bytes(data)
    with open_container(data) as container:
        if not container.streams.audio:
            raise MediaUnreadableError("the file has no sound")
        samples = read_sound(
            container, container.streams.audio[0], limits.max_seconds, sample_rate_hz, limits.start()
        )
    return normalise_loudness(samples, sample_rate_hz)


def read_sound(
    container: InputContainer,
    stream: AudioStream,
    max_seconds: float,
    sample_rate_hz: int,
    deadline: Deadline,
) -> NDArray[np.float32]:
    """Decodes a stream to mono, as loud as it is.

    Args:
        container: the open container, at its start.
        stream: which of its streams.
        max_seconds: how much is decoded.
        sample_rate_hz: of the result.
        deadline: looked at before each packet.

    Returns:
        Finite float32 of shape [samples], at least one.

    Raises:
        MediaUnreadableError: not one sample could be decoded.
        MediaTooLargeError: the deadline has passed.
    """
    wanted = max(1, round(max_seconds * sample_rate_hz))
    stream.codec_context.thread_count = 1
    resampler = _Resampler(sample_rate_hz)
    broken: av.FFmpegError | None = None
    for packet in container.demux(stream):
        deadline.check()
        try:
            for frame in packet.decode():
                resampler.push(frame)
        except av.FFmpegError as error:  # one damaged packet; players go on too
            broken = error
        if resampler.count >= wanted:
            break
    samples = resampler.take(wanted)
    if not samples.size:
        raise MediaUnreadableError(f"no sound could be decoded{f': {broken.strerror}' if broken else ''}")
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


def normalise_loudness(
    samples: NDArray[np.float32], sample_rate_hz: int = SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Brings a sound to −23 LUFS (EBU R 128), or as near as peaks of −1 dBFS allow.

    Silence (below −70 LUFS as a whole) stays as quiet as it is.

    Args:
        samples: mono, float32 of shape [samples], finite.
        sample_rate_hz: of ``samples``.

    Returns:
        float32 of the same shape, within [−1, 1].
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return samples
    loudness_lufs = integrated_loudness(samples, sample_rate_hz)
    gain = 10 ** ((TARGET_LUFS - loudness_lufs) / 20) if loudness_lufs > _SILENCE_LUFS else 1.0
    return (samples.astype(np.float64) * min(gain, PEAK_LIMIT / peak)).astype(np.float32)


def integrated_loudness(samples: NDArray[np.float32], sample_rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Integrated loudness by ITU-R BS.1770-4, as EBU R 128 uses it.

    FFmpeg's filter measures it: it is loaded anyway, and needs 75 MB less memory than a library on SciPy.

    Args:
        samples: mono, float32 of shape [samples], at least one, finite. What is shorter than a measured
            block is repeated to fill one.
        sample_rate_hz: of ``samples``.

    Returns:
        Loudness in LUFS; −70 or less for silence.
    """
    repeats = math.ceil(_SHORTEST_MEASURED_S * sample_rate_hz / samples.size)
    frame = AudioFrame.from_ndarray(
        np.ascontiguousarray(np.tile(samples, max(1, repeats))[None]), format="flt", layout="mono"
    )
    frame.sample_rate = sample_rate_hz
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=sample_rate_hz, format="flt", layout="mono", time_base=Fraction(1, sample_rate_hz)
    )
    meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    graph.push(frame)
    graph.push(None)
    loudness_lufs = -math.inf
    while True:
        try:
            measured = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return loudness_lufs if math.isfinite(loudness_lufs) else _SILENCE_LUFS
        # Each frame carries the loudness of everything up to it.
        loudness_lufs = float(measured.metadata.get("lavfi.r128.I", loudness_lufs))


class _Resampler:
    """Mono at one rate, from frames whose layout and rate may change on the way."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._resampler: AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None
        self._parts: list[NDArray[np.float32]] = []
        self.count = 0

    def push(self, frame: AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            if frame.sample_rate not in _SAMPLE_RATES_HZ or frame.layout.nb_channels > _MAX_CHANNELS:
                raise MediaUnreadableError(
                    f"{frame.sample_rate} Hz in {frame.layout.nb_channels} channels is no sound that is read "
                    "here"
                )
            self._flush()
            self._resampler = AudioResampler(format="flt", layout="mono", rate=self._sample_rate_hz)
            self._source = source
        frame.pts = None  # gaps and jumps in the time stamps are not filled
        if self._resampler is not None:
            self._keep(self._resampler.resample(frame))

    def take(self, wanted: int) -> NDArray[np.float32]:
        self._flush()
        return np.concatenate(self._parts)[:wanted] if self._parts else np.empty(0, np.float32)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _keep(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            part = frame.to_ndarray()[0].astype(np.float32, copy=False)
            self._parts.append(part)
            self.count += len(part)
