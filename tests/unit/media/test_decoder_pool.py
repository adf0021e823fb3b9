"""Whatever a file does to its decoder, only that file is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.limits import MediaLimits
from models.preprocessing.video import decode_video
from streams.errors import (
    ConfigurationError,
    DecoderCrashedError,
    DefectError,
    DependencyDownError,
    MediaTooLargeError,
    MediaUnreadableError,
)
from tests.unit.preprocessing.media_samples import sound_file, tone, video_file
from workers.media.decoder_pool import DECODERS, DecoderPool, DecoderPoolSettings

HOSTILE = {"test": "tests.unit.media.hostile_decoders:behave"}
SMALL = DecoderPoolSettings(timeout_s=60.0, memory_bytes=1 << 29, result_bytes=1 << 20)
IMPATIENT = replace(SMALL, timeout_s=6.0)


@pytest.fixture
async def pool() -> AsyncIterator[DecoderPool]:
    async with DecoderPool(SMALL, HOSTILE) as pool:
        yield pool


async def behave(pool: DecoderPool, what: str, **options: Any) -> Any:
    return await pool.decode("test", what.encode(), options)


async def assert_still_works(pool: DecoderPool) -> None:
    (array,) = await behave(pool, "echo", length=5)
    assert array.tolist() == [0, 1, 2, 3, 4]


async def test_arrays_come_back_as_they_were(pool: DecoderPool) -> None:
    ones, missing, empty = await behave(pool, "several")
    assert ones.dtype == np.float32
    assert ones.tolist() == [[1.0] * 3] * 2
    assert missing is None
    assert empty.shape == (0, 4)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("crash", "SIGSEGV"),
        ("exit", "exit status 3"),
        ("sleep", "longer than 6 s"),
        ("spin", "longer than 6 s|SIGXCPU"),
        ("allocate", "memory|SIG"),
        ("defect", "nobody expects it"),
        ("open_file", "Too many open files"),
        ("vast", "over 1,048,576 bytes"),
        ("strange", "nonsense"),
    ],
)
async def test_a_bad_file_costs_one_child_and_itself(what: str, message: str) -> None:
    async with DecoderPool(IMPATIENT if what in ("sleep", "spin") else SMALL, HOSTILE) as pool:
        await assert_still_works(pool)
        before = pool.process_ids
        with pytest.raises(DecoderCrashedError, match=message):
            await behave(pool, what)
        await assert_still_works(pool)
        assert pool.process_ids != before
        assert (len(pool.process_ids), pool.restarts) == (1, 1)


@pytest.mark.parametrize(
    ("what", "error"), [("unreadable", MediaUnreadableError), ("too_large", MediaTooLargeError)]
)
async def test_a_refused_file_costs_no_child(pool: DecoderPool, what: str, error: type[Exception]) -> None:
    before = pool.process_ids
    with pytest.raises(error, match=r"torn in two|larger than life"):
        await behave(pool, what)
    await assert_still_works(pool)
    assert pool.process_ids == before


async def test_only_the_file_that_crashed_is_lost() -> None:
    async with DecoderPool(DecoderPoolSettings(processes=2, timeout_s=60.0), HOSTILE) as pool:
        work = ["echo", "crash", "echo", "echo", "exit", "echo", "echo"]
        results = await asyncio.gather(*(behave(pool, what) for what in work), return_exceptions=True)
    assert [isinstance(result, DecoderCrashedError) for result in results] == [
        what != "echo" for what in work
    ]


async def test_a_child_can_connect_to_nothing(pool: DecoderPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        with pytest.raises(DecoderCrashedError, match="Too many open files"):
            await behave(pool, "connect", port=server.getsockname()[1])
        with pytest.raises(TimeoutError):
            server.accept()


async def test_a_child_knows_no_secret(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_KAFKA__SASL_PASSWORD", "secret")
    async with DecoderPool(SMALL, HOSTILE) as second:
        (names,) = await behave(second, "environment")
    assert b"MALLOC_ARENA_MAX" in names.tobytes()
    assert b"FRESHET" not in names.tobytes()


async def test_what_libraries_print_is_no_answer(pool: DecoderPool) -> None:
    (array,) = await behave(pool, "print")
    assert array.tolist() == [0]


async def test_no_more_at_once_than_children() -> None:
    async with DecoderPool(DecoderPoolSettings(processes=2), HOSTILE) as pool:
        jobs = [asyncio.create_task(behave(pool, "echo", pause_s=0.05)) for _ in range(9)]
        ids = set()
        while not all(job.done() for job in jobs):
            ids |= set(pool.process_ids)
            await asyncio.sleep(0.01)
        assert [job.result()[0].tolist() for job in jobs] == [[0, 1, 2]] * 9
    assert len(ids) == 2


async def test_a_cancelled_request_leaves_the_pool_in_step(pool: DecoderPool) -> None:
    job = asyncio.create_task(behave(pool, "echo", length=9, pause_s=1.0))
    await asyncio.sleep(0.1)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await assert_still_works(pool)


async def test_the_event_loop_goes_on_meanwhile(pool: DecoderPool) -> None:
    job = asyncio.create_task(behave(pool, "sleep"))
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert not job.done()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job


async def test_children_are_replaced_after_a_while() -> None:
    async with DecoderPool(DecoderPoolSettings(requests_per_process=2), HOSTILE) as pool:
        first = pool.process_ids
        for _ in range(3):
            await assert_still_works(pool)
        assert pool.restarts == 1
        assert set(pool.process_ids).isdisjoint(first)


async def test_closing_says_nothing_bad_of_the_file_in_work() -> None:
    async with DecoderPool(SMALL, HOSTILE) as pool:
        job = asyncio.create_task(behave(pool, "sleep"))
        await asyncio.sleep(0.1)
        ids = pool.process_ids
    with pytest.raises(DependencyDownError):
        await job
    assert not any(_is_running(process_id) for process_id in ids)


async def test_a_decoder_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"exit status 1.*no_such_module"):
        async with DecoderPool(SMALL, {"test": "no_such_module:decode"}):
            pass
    async with DecoderPool(SMALL, HOSTILE) as pool:
        with pytest.raises(DefectError):
            await pool.decode("image", b"", {})


def test_children_die_with_their_parent() -> None:
    script = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[3])!r})\n"
        "from workers.media.decoder_pool import DecoderPool, DecoderPoolSettings\n"
        "async def main():\n"
        "    settings = DecoderPoolSettings(processes=2, timeout_s=3600)\n"
        f"    async with DecoderPool(settings, {HOSTILE!r}) as pool:\n"
        "        asyncio.create_task(pool.decode('test', b'spin', {}))\n"
        "        await asyncio.sleep(0.2)\n"
        "        print(*pool.process_ids, flush=True)\n"
        "        await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        ids = [int(word) for word in parent.stdout.readline().split()]
        assert len(ids) == 2
        assert all(_is_running(process_id) for process_id in ids)
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while any(_is_running(process_id) for process_id in ids) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(_is_running(process_id) for process_id in ids)


def _is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _resident_kb(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/status").read_text().partition("VmRSS:")[2].split()[0])


async def test_images_decode_in_a_child_that_can_open_nothing() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8))
    async with DecoderPool(decoders={"image": "models.preprocessing.image:decode_image"}) as pool:
        for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO"):
            file = BytesIO()
            picture.save(file, name)
            options = {"size_px": 32, "fit": "stretch", "limits": asdict(MediaLimits())}
            (array,) = await pool.decode("image", file.getvalue(), options)
            assert np.array_equal(array, decode_image(file.getvalue(), 32, fit="stretch")), name
        small = asdict(MediaLimits(max_pixels=100))
        with pytest.raises(MediaTooLargeError, match="pixels"):
            await pool.decode("image", file.getvalue(), {"size_px": 32, "limits": small})
        assert pool.restarts == 0


async def test_sound_and_video_decode_in_a_child_that_can_open_nothing() -> None:
    limits = asdict(MediaLimits())
    async with DecoderPool(decoders={"audio": DECODERS["audio"]}) as pool:
        for container, codec in (
            ("wav", "pcm_s16le"),
            ("ogg", "libopus"),
            ("mp3", "libmp3lame"),
            ("mp4", "aac"),
        ):
            file = sound_file(container, codec, tone(1.0))
            (sound,) = await pool.decode("audio", file, {"sample_rate_hz": 16_000, "limits": limits})
            assert np.array_equal(sound, decode_audio(file))
    options = {"size_px": 16, "fit": "crop", "frames": 3, "sample_rate_hz": 16_000, "limits": limits}
    async with DecoderPool(decoders={"video": DECODERS["video"]}) as pool:
        for container, codec, sound_codec in (("mp4", "libx264", "aac"), ("webm", "libvpx-vp9", "libopus")):
            file = video_file(container, codec, range(0, 200, 10), sound=(sound_codec, tone(0.8)))
            frames, sound = await pool.decode("video", file, options)
            expected_frames, expected_sound = decode_video(file, 16, 3)
            assert np.array_equal(frames, expected_frames)
            assert np.array_equal(sound, expected_sound)
        assert pool.restarts == 0


async def test_a_child_is_small() -> None:
    """No Kafka, no ONNX Runtime, no web client in it: under 60 MB resident where they would be over 150."""
    async with DecoderPool(decoders={"image": "models.preprocessing.image:decode_image"}) as pool:
        (process_id,) = pool.process_ids
        assert _resident_kb(process_id) < 60_000


async def test_many_sounds_do_not_use_up_their_child() -> None:
    """FFmpeg's filters and their threads must go with each file, on every version of Python."""
    sound = sound_file("ogg", "libopus", tone(0.5))
    settings = DecoderPoolSettings(memory_bytes=1 << 29)
    async with DecoderPool(settings, {"audio": DECODERS["audio"]}) as pool:
        for _ in range(60):
            await pool.decode("audio", sound, {})
        assert pool.restarts == 0
        (child,) = pool.process_ids
        assert len(os.listdir(f"/proc/{child}/task")) <= 8  # noqa: PTH208
