"""Sound of any common codec comes out mono, at one rate and one loudness."""

from __future__ import annotations

import contextlib
import io
import socket
import threading

import av
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.audio import (
    PEAK_LIMIT,
    decode_audio,
    integrated_loudness,
    normalise_loudness,
)
from models.preprocessing.container import OPEN_OPTIONS
from models.preprocessing.limits import MediaLimits
from tests.unit.preprocessing.media_samples import shared_files, sound_file, tone, video_file

WAV = sound_file("wav", "pcm_s16le", tone(1.0))


def main_hertz(samples: NDArray[np.float32], rate: int = 16_000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 48_000),
        ("wav", "pcm_f32le", 44_100),
        ("wav", "pcm_u8", 8_000),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "libopus", 48_000),
        ("adts", "aac", 48_000),
        ("mp4", "aac", 32_000),
        ("webm", "libopus", 48_000),
        ("aiff", "pcm_s16be", 22_050),
        ("mpegts", "mp2", 48_000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_codecs(container: str, codec: str, rate: int, channels: int) -> None:
    file = sound_file(container, codec, tone(2.0, rate), rate, channels)
    samples = decode_audio(file)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) / 16_000 == pytest.approx(2.0, abs=0.12)
    assert main_hertz(samples) == pytest.approx(440, abs=3)
    assert integrated_loudness(samples) == pytest.approx(-23, abs=0.3)


def test_other_rates_can_be_asked_for() -> None:
    samples = decode_audio(WAV, sample_rate_hz=48_000)
    assert len(samples) == pytest.approx(48_000, abs=100)
    assert main_hertz(samples, 48_000) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("amplitude", [0.002, 0.03, 0.3, 1.0])
def test_one_loudness_whatever_the_level(amplitude: float) -> None:
    """Checked by an independent implementation of ITU-R BS.1770-4."""
    samples = normalise_loudness(tone(3.0, 16_000, amplitude))
    measured = pyloudnorm.Meter(16_000).integrated_loudness(samples.astype(np.float64))
    assert measured == pytest.approx(-23.0, abs=0.2)


def test_short_sounds_have_that_loudness_too() -> None:
    clip = normalise_loudness(tone(0.1, 16_000, 0.01))
    assert integrated_loudness(np.tile(clip, 30)) == pytest.approx(-23.0, abs=0.5)
    assert len(normalise_loudness(np.full(1, 0.5, np.float32))) == 1


def test_peaks_are_not_clipped() -> None:
    clicks = np.full(48_000, 1e-4, np.float32)
    clicks[::8_000] = 0.9
    normalised = normalise_loudness(clicks)
    assert np.abs(normalised).max() <= PEAK_LIMIT + 1e-6
    assert normalised[0] / normalised[1] == pytest.approx(9_000, rel=1e-3)


def test_silence_stays_silent() -> None:
    silence = np.zeros(16_000, np.float32)
    assert not normalise_loudness(silence).any()
    hiss = np.random.default_rng(0).normal(0, 1e-5, 16_000).astype(np.float32)
    assert np.abs(normalise_loudness(hiss)).max() < 1e-3


def test_float_files_with_numbers_that_are_none() -> None:
    samples = tone(1.0)
    samples[100:200], samples[300], samples[400] = np.nan, np.inf, 1e30
    decoded = decode_audio(sound_file("wav", "pcm_f32le", samples))
    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1.0


def test_only_the_first_seconds_are_taken() -> None:
    first, then = tone(1.0, 16_000, hertz=440), tone(20.0, 16_000, hertz=3_000)
    file = sound_file("flac", "flac", np.concatenate([first, then]), 16_000)
    samples = decode_audio(file, MediaLimits(max_seconds=1.0))
    assert len(samples) == 16_000
    assert main_hertz(samples) == pytest.approx(440, abs=3)


def test_broken_off_gives_what_was_there() -> None:
    file = sound_file("ogg", "libopus", tone(4.0))
    samples = decode_audio(file[: len(file) // 2])
    assert 16_000 < len(samples) < 50_000


def test_limits() -> None:
    with pytest.raises(MediaTooLargeError, match="bytes"):
        decode_audio(WAV, MediaLimits(max_bytes=len(WAV) - 1))
    with pytest.raises(MediaTooLargeError, match="longer"):
        decode_audio(WAV, MediaLimits(deadline_s=0.0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff" * 10_000,
        WAV[:30],
        b"RIFF\xff\xff\xff\xffWAVE",
        b"ID3" + bytes(100),
        bytes(5_000),
    ],
)
def test_what_is_no_sound(data: bytes) -> None:
    with pytest.raises(MediaUnreadableError):
        decode_audio(data)


def test_video_without_sound() -> None:
    with pytest.raises(MediaUnreadableError, match="no sound"):
        decode_audio(video_file("mp4", "libx264", range(0, 200, 20)))


def playlists(target: str) -> dict[str, bytes]:
    header = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
        "</Representation></AdaptationSet>"
        "</Period></MPD>"
    )
    return {
        "hls": f"{header}#EXTINF:10.0,\n{target}\n#EXT-X-ENDLIST\n".encode(),
        "hls key": f'{header}#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\nx.ts\n'.encode(),
        "hls concat": f"{header}#EXTINF:10.0,\nconcat:{target}|{target}\n#EXT-X-ENDLIST\n".encode(),
        "concat": f"ffconcat version 1.0\nfile '{target}'\n".encode(),
        "dash": dash.encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "ram": f"{target}\n".encode(),
    }


@pytest.mark.parametrize("kind", sorted(playlists("")))
def test_playlists_reach_no_address(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        with pytest.raises(MediaUnreadableError):
            decode_audio(playlists(f"http://127.0.0.1:{server.getsockname()[1]}/a.ts")[kind])
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("option", ["format_whitelist", "protocol_whitelist"])
def test_each_guard_alone_keeps_a_playlist_from_connecting(option: str) -> None:
    """FFmpeg is told that it is a playlist, which by itself it does not see without a file name."""

    def connects(options: dict[str, str]) -> bool:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            playlist = playlists(f"http://127.0.0.1:{server.getsockname()[1]}/a.ts")["hls"]
            opening = threading.Thread(target=_open_as_playlist, args=(playlist, options), daemon=True)
            opening.start()
            is_over = False
            while True:
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    if is_over:
                        return False
                    is_over = not opening.is_alive()
                else:
                    return True

    all_protocols = {"protocol_whitelist": "file,http,tcp"}
    assert connects(all_protocols)
    assert not connects(all_protocols | {option: OPEN_OPTIONS[option]})


def _open_as_playlist(playlist: bytes, options: dict[str, str]) -> None:
    with (
        contextlib.suppress(av.FFmpegError),
        av.open(io.BytesIO(playlist), format="hls", container_options=options),
    ):
        pass


@pytest.mark.parametrize("kind", sorted(playlists("")))
def test_playlists_open_no_file(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The named file is one that could be decoded: were it opened, there would be sound."""
    path = tmp_path_factory.mktemp("media") / "secret.wav"
    path.write_bytes(WAV)
    for target in (f"file://{path}", str(path)):
        with pytest.raises(MediaUnreadableError):
            decode_audio(playlists(target)[kind])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_raise_only_what_is_documented(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(_SMALL)))
    for _ in range(data.draw(st.integers(1, 12))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MediaUnreadableError, MediaTooLargeError):
        decoded = decode_audio(bytes(file), MediaLimits(max_seconds=2.0))
        assert np.isfinite(decoded).all()
        assert np.abs(decoded).max() <= 1.0


_SMALL = [
    sound_file("wav", "pcm_s16le", tone(0.1, 8_000), 8_000),
    sound_file("flac", "flac", tone(0.2)),
    sound_file("ogg", "libopus", tone(0.2)),
    sound_file("mp3", "libmp3lame", tone(0.2)),
    sound_file("mp4", "aac", tone(0.2)),
]


def test_real_clips() -> None:
    for data in shared_files("esc10/clips.zip", 20):
        samples = decode_audio(data)
        assert len(samples) == pytest.approx(80_000, abs=800)
        assert np.abs(samples).max() > 0.001
