"""Images of every common kind come out the same, and hostile ones come to nothing."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.image import decode_image
from models.preprocessing.limits import MediaLimits
from tests.unit.preprocessing.media_samples import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    png_with_header,
    quadrants,
    saved,
    shared_files,
)

EXPECTED = [RED, GREEN, BLUE, WHITE]


def assert_quadrants(data: bytes, tolerance: int = 8) -> None:
    array = decode_image(data, 32)
    assert (array.shape, array.dtype) == ((32, 32, 3), np.uint8)
    difference = np.abs(np.array(corners(array)) - np.array(EXPECTED)).max()
    assert difference <= tolerance, corners(array)


@pytest.mark.parametrize(
    "name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "MPO"]
)
def test_formats(name: str) -> None:
    assert_quadrants(saved(quadrants(), name), tolerance=40 if name in ("AVIF", "WEBP") else 12)


def test_cmyk_jpeg() -> None:
    assert_quadrants(saved(quadrants().convert("CMYK"), "JPEG", quality=95), tolerance=12)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (5, Image.Transpose.TRANSPOSE),
    ],
)
def test_exif_orientation(orientation: int, turned: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_quadrants(saved(quadrants().transpose(turned), "JPEG", exif=exif, quality=95), tolerance=12)


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = np.linspace(0, 65_535, 64).astype(np.uint16)[None].repeat(64, axis=0)
    for name in ("PNG", "TIFF"):
        array = decode_image(saved(Image.fromarray(grey), name), 64)
        expected = np.round(grey / 257).astype(int)
        assert np.abs(array[..., 0].astype(int) - expected).max() <= 1


def test_16_bit_colour_png() -> None:
    raw = np.empty((64, 64, 3), ">u2")
    raw[:] = np.asarray(quadrants()).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.tobytes() for row in raw)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    png = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert_quadrants(b"\x89PNG\r\n\x1a\n" + png)


def test_float_tiff_in_the_unit_interval() -> None:
    array = decode_image(saved(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), 8)
    assert array.min() == array.max() == 128


def test_alpha_is_composited_on_white() -> None:
    image = quadrants().convert("RGBA")
    alpha = Image.new("L", (64, 64), 255)
    alpha.paste(0, (0, 0, 32, 32))
    alpha.paste(128, (32, 0, 64, 32))
    image.putalpha(alpha)
    found = corners(decode_image(saved(image, "PNG"), 32))
    assert found[0] == WHITE
    assert found[1] == pytest.approx((127, 255, 127), abs=2)
    assert found[2:] == [BLUE, WHITE]


def test_palette_with_transparency() -> None:
    image = quadrants().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    index = image.getpixel((5, 5))
    for name in ("PNG", "GIF"):
        assert corners(decode_image(saved(image, name, transparency=index), 32))[0] == WHITE
        assert_quadrants(saved(image, name))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(name: str) -> None:
    others = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    data = saved(quadrants(), name, save_all=True, append_images=others, duration=50)
    assert_quadrants(data, tolerance=40 if name == "WEBP" else 8)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [("crop", [GREEN] * 4), ("stretch", [RED, BLUE, RED, BLUE]), ("pad", [WHITE, WHITE, WHITE, WHITE])],
)
def test_fit(fit: str, expected: list[tuple[int, ...]]) -> None:
    wide = np.empty((40, 200, 3), np.uint8)
    wide[:, :70], wide[:, 70:130], wide[:, 130:] = RED, GREEN, BLUE
    assert corners(decode_image(saved(Image.fromarray(wide), "PNG"), 40, fit=fit)) == expected  # type: ignore[arg-type]


def test_large_jpeg_is_decoded_small() -> None:
    data = saved(quadrants().resize((4_000, 4_000)), "JPEG", quality=95)
    assert_quadrants(data)


# --- what is refused ------------------------------------------------------------


def test_pixels_are_refused_by_the_header() -> None:
    """A PNG of 47 bytes that claims 60,000×60,000 pixels."""
    tracemalloc.start()
    with pytest.raises(MediaTooLargeError, match="60000"):
        decode_image(png_with_header(60_000, 60_000), 32)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_decompression_bomb_within_its_header() -> None:
    """Pixels for 64×64, then 256 MB of zeros that no pixel needs: not inflated."""
    deflate = zlib.compressobj(9)
    pixels = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(256)) + deflate.flush()
    array = decode_image(png_with_header(64, 64, pixels), 32)
    assert array.max() == 0


def test_webp_canvas_is_refused_before_it_is_allocated() -> None:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (16_000).to_bytes(3, "little") * 2
    with pytest.raises(MediaTooLargeError, match="16001"):
        decode_image(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, 32)


def test_pixels_are_limited() -> None:
    for name in ("PNG", "JPEG", "WEBP", "GIF", "TIFF"):
        data = saved(quadrants(), name)
        with pytest.raises(MediaTooLargeError, match="64×64"):
            decode_image(data, 32, MediaLimits(max_pixels=64 * 64 - 1))
        assert decode_image(data, 32, MediaLimits(max_pixels=64 * 64)).any()


def test_bytes_are_limited() -> None:
    data = saved(quadrants(), "PNG")
    with pytest.raises(MediaTooLargeError, match="bytes"):
        decode_image(data, 32, MediaLimits(max_bytes=len(data) - 1))
    assert decode_image(data, 32, MediaLimits(max_bytes=len(data))).any()


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_truncated(name: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = saved(noise, name)
    with pytest.raises(MediaUnreadableError):
        decode_image(data[: len(data) // 2], 32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"%PDF-1.7\n",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"<html>404</html>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(MediaUnreadableError):
        decode_image(data, 32)


def test_formats_off_the_list_are_refused() -> None:
    with pytest.raises(MediaUnreadableError, match="JPEG, PNG"):
        decode_image(saved(quadrants(), "PCX"), 32)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_bytes_raise_only_what_is_documented(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "ICO", "PPM", "JPEG2000", ""])
    )
    file = bytearray(saved(quadrants(), name) if name else data.draw(st.binary(max_size=400)))
    for _ in range(data.draw(st.integers(0, 8)) if file else 0):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MediaUnreadableError, MediaTooLargeError):
        assert decode_image(bytes(file), 16, MediaLimits(max_pixels=1_000_000)).shape == (16, 16, 3)


def test_real_photographs() -> None:
    arrays = [decode_image(data, 64) for data in shared_files("clothing/images.zip", 40)]
    assert all(array.shape == (64, 64, 3) and array.std() > 5 for array in arrays)
