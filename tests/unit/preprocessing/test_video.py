"""Frames come from over the whole length of a video, its sound with them."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.limits import MediaLimits
from models.preprocessing.video import decode_video
from tests.unit.preprocessing.media_samples import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    quadrants,
    sound_file,
    tone,
    video_file,
)

RAMP = range(20, 220, 2)  # 100 frames, 4 s
MIDDLES = [RAMP[int((part + 0.5) * 99 / 4)] for part in range(4)]


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "mpeg4"),
        ("webm", "libvpx-vp9"),
        ("webm", "libvpx"),
        ("matroska", "libx265"),
        ("avi", "mpeg4"),
        ("mpegts", "libx264"),
        ("mpegts", "mpeg2video"),
        ("flv", "flv"),
    ],
)
def test_codecs(container: str, codec: str) -> None:
    frames, sound = decode_video(video_file(container, codec, RAMP), 32, 4)
    assert (frames.shape, frames.dtype) == ((4, 32, 32, 3), np.uint8)
    assert [frame.mean() for frame in frames] == pytest.approx(MIDDLES, abs=8)
    assert sound is None


@pytest.mark.parametrize(
    ("container", "codec", "sound_codec"), [("mp4", "libx264", "aac"), ("webm", "libvpx-vp9", "libopus")]
)
def test_sound_comes_with_it(container: str, codec: str, sound_codec: str) -> None:
    frames, sound = decode_video(video_file(container, codec, RAMP, sound=(sound_codec, tone(4.0))), 32, 4)
    assert len(frames) == 4
    assert sound is not None
    assert len(sound) / 16_000 == pytest.approx(4.0, abs=0.1)
    assert 0.05 < np.abs(sound).max() <= 1.0


def test_one_long_group_of_pictures() -> None:
    """No key frame but the first: everything on the way is decoded and left out."""
    frames, _ = decode_video(video_file("mp4", "libx264", RAMP, gop=1_000), 32, 4)
    assert [frame.mean() for frame in frames] == pytest.approx(MIDDLES, abs=8)


def test_frames_decoded_are_bounded() -> None:
    file = video_file("mp4", "libx264", RAMP, gop=1_000)
    frames, _ = decode_video(file, 32, 4, MediaLimits(max_frames=20))
    assert [frame.mean() for frame in frames] == pytest.approx([RAMP[n] for n in (4, 9, 14, 19)], abs=8)


def test_variable_frame_rate() -> None:
    """Nine frames in the first second, then one that stays for nine: it is what is mostly seen."""
    file = video_file("matroska", "libx264", [50] * 9 + [200, 90], times=[*range(0, 27, 3), 27, 250])
    frames, _ = decode_video(file, 32, 4)
    assert [frame.mean() for frame in frames] == pytest.approx([200], abs=8)
    frames, _ = decode_video(file, 32, 5)
    assert [frame.mean() for frame in frames] == pytest.approx([50, 200], abs=8)


def test_only_the_first_seconds_are_sampled() -> None:
    frames, _ = decode_video(video_file("mp4", "libx264", RAMP), 32, 4, MediaLimits(max_seconds=1.0))
    assert frames[-1].mean() < RAMP[27]


def test_a_live_recording_without_a_length() -> None:
    """Cut in the middle, a WebM has neither index nor the length that its header tells."""
    file = video_file("webm", "libvpx", RAMP, gop=10)
    frames, _ = decode_video(file[: int(len(file) * 0.6)], 32, 3)
    assert len(frames) == 3
    assert np.all(np.diff([frame.mean() for frame in frames]) > 5)


def test_fewer_frames_than_asked_for() -> None:
    frames, _ = decode_video(video_file("mp4", "libx264", [10, 120, 240]), 32, 8)
    assert [frame.mean() for frame in frames] == pytest.approx([10, 120], abs=8)


def test_colours_and_places() -> None:
    file = video_file("mp4", "libx264", [], pictures=[quadrants()] * 5, size=(64, 64))
    frames, _ = decode_video(file, 32, 1)
    assert np.abs(np.array(corners(frames[0])) - np.array([RED, GREEN, BLUE, WHITE])).max() < 40


def test_turned_by_its_display_matrix() -> None:
    """A telephone held upright stores its pictures lying, and the turn in the track's header."""
    file = video_file("mp4", "libx264", [], pictures=[quadrants()] * 5, size=(64, 64))
    one, zero, w = (0x10000).to_bytes(4, "big"), bytes(4), (0x4000_0000).to_bytes(4, "big")
    upright = one + zero * 3 + one + zero * 3 + w
    clockwise = zero + one + zero + (-0x10000).to_bytes(4, "big", signed=True) + zero * 4 + w
    place = file.index(upright, file.index(b"tkhd"))
    turned = file[:place] + clockwise + file[place + len(upright) :]
    frames, _ = decode_video(turned, 32, 1)
    assert np.abs(np.array(corners(frames[0])) - np.array([BLUE, RED, WHITE, GREEN])).max() < 40


def test_limits() -> None:
    file = video_file("mp4", "libx264", RAMP)
    with pytest.raises(MediaTooLargeError, match="bytes"):
        decode_video(file, 32, 4, MediaLimits(max_bytes=len(file) - 1))
    with pytest.raises(MediaTooLargeError, match="96×64"):
        decode_video(file, 32, 4, MediaLimits(max_pixels=96 * 64 - 1))
    with pytest.raises(MediaTooLargeError, match="longer"):
        decode_video(file, 32, 4, MediaLimits(deadline_s=0.0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        bytes(10_000),
        sound_file("mp3", "libmp3lame", tone(0.5)),
        b"#EXTM3U\nfile:///etc/passwd\n",
    ],
)
def test_what_is_no_video(data: bytes) -> None:
    with pytest.raises(MediaUnreadableError):
        decode_video(data, 32, 4)


def test_truncated_mp4_has_no_index() -> None:
    file = video_file("mp4", "libx264", RAMP)
    with pytest.raises(MediaUnreadableError):
        decode_video(file[: len(file) // 2], 32, 4)


def test_unreadable_sound_leaves_the_pictures() -> None:
    file = video_file("avi", "mpeg4", RAMP, sound=("mp2", tone(4.0)))
    broken = file.replace(b"01wb", b"07wb")
    frames, sound = decode_video(broken, 32, 4)
    assert len(frames) == 4
    assert sound is None


_SMALL = [
    video_file("mp4", "libx264", range(0, 200, 10), size=(32, 32), sound=("aac", tone(0.3))),
    video_file("webm", "libvpx", range(0, 200, 10), size=(32, 32)),
    video_file("avi", "mpeg4", range(0, 200, 10), size=(32, 32)),
    video_file("mpegts", "mpeg2video", range(0, 200, 10), size=(32, 32)),
]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_files_raise_only_what_is_documented(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(_SMALL)))
    for _ in range(data.draw(st.integers(1, 12))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MediaUnreadableError, MediaTooLargeError):
        frames, _ = decode_video(bytes(file), 16, 3, MediaLimits(max_pixels=1 << 20))
        assert 1 <= len(frames) <= 3
