"""Images of any common format to RGB arrays of one size."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

# The plugins are imported here, and not when the first file of their kind comes, so that a process that may
# open no file any more still decodes everything.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from models.errors import MediaTooLargeError, MediaUnreadableError
from models.preprocessing.limits import MediaLimits

Fit = Literal["crop", "pad", "stretch"]

# Pillow knows many more: some start other programs (EPS), others are rare and little tested. What is not here
# is refused. A name that no plugin registers would make Pillow import them all, so MPO is not listed.
_PLUGINS: Final[tuple[Any, ...]] = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    AvifImagePlugin.AvifImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    IcoImagePlugin.IcoImageFile,
    PpmImagePlugin.PpmImageFile,
)
IMAGE_FORMATS: Final = tuple(plugin.format for plugin in _PLUGINS)
"""The formats that are read, by Pillow's names. The JPEG plugin also reads MPO, several pictures in one."""

_WHITE: Final = (255, 255, 255)
_MAX_16_BIT: Final = 65_535
assert MpoImagePlugin
Image.preinit()


def decode_image(
    data: bytes, size_px: int, limits: MediaLimits | None = None, fit: Fit = "crop"
) -> NDArray[np.uint8]:
    """Decodes an image: the right way up, alpha composited on white, the first frame of an animation.

    The format is told by the content, never by a name or a media type. Size limits are checked on the header,
    before a pixel is decoded.

    Args:
        data: an encoded image in one of :data:`IMAGE_FORMATS`.
        size_px: edge of the result, in pixels.
        limits: bounds on bytes and pixels; the defaults of :class:`MediaLimits` where None.
        fit: how an image that is not square fills the square: ``crop`` keeps the centre, ``pad`` keeps all
            and adds white, ``stretch`` keeps all and changes its aspect.

    Returns:
        RGB, uint8 of shape [size_px, size_px, 3].

    Raises:
        MediaUnreadableError: no image, of a format not read here, or broken or cut off.
        MediaTooLargeError: over a limit.
    """
    limits = limits or MediaLimits()
    limits.check_bytes(data)
    _check_webp_canvas(data, limits)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images, broken EXIF and the like; our own limits decide.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
                limits.check_pixels(*image.size)
                return fit_square(_to_rgb(_loaded(image, size_px), size_px), size_px, fit)
    except (MediaTooLargeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise MediaTooLargeError(f"image: {error}") from error
    except UnidentifiedImageError as error:
        raise MediaUnreadableError(
            f"not an image in a format that is read here ({', '.join(IMAGE_FORMATS)})"
        ) from error
    except Exception as error:
        # Pillow's plugins raise whatever their parsing runs into: OSError, ValueError, SyntaxError,
        # struct.error, KeyError, EOFError, zlib.error.
        raise MediaUnreadableError(f"image cannot be decoded: {error}") from error


def fit_square(image: Image.Image, size_px: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Resizes an RGB image to a square.

    Args:
        image: a Pillow image in mode RGB.
        size_px: edge of the result, in pixels.
        fit: see :func:`decode_image`.

    Returns:
        RGB, uint8 of shape [size_px, size_px, 3].
    """
    size = (size_px, size_px)
    image = _shrunk(image, size_px)
    if fit == "crop":
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    elif fit == "pad":
        image = ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=_WHITE)
    else:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.array(image, dtype=np.uint8)


def _loaded(image: ImageFile.ImageFile, size_px: int) -> Image.Image:
    # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which the format does by itself. At least twice
    # what is needed is kept, so that resampling still has something to work on.
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (2 * size_px, 2 * size_px))
    image.load()
    return ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image, size_px: int) -> Image.Image:
    # Made smaller before it is converted wherever that gives the same: conversions of a large image copy it.
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _deep_to_8_bit(image).convert("RGB")
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        rgba = _shrunk(image if image.mode == "RGBA" else image.convert("RGBA"), size_px)
        background = Image.new("RGBA", rgba.size, (*_WHITE, 255))
        return Image.alpha_composite(background, rgba).convert("RGB")
    if image.mode in ("RGB", "L", "CMYK"):
        image = _shrunk(image, size_px)
    return image.convert("RGB")


def _shrunk(image: Image.Image, size_px: int) -> Image.Image:
    """By a whole number, to no less than twice what is needed."""
    factor = min(image.size) // (2 * size_px)
    return image.reduce(factor) if factor > 1 else image


def _deep_to_8_bit(image: Image.Image) -> Image.Image:
    """One channel of more than 8 bits. Pillow's own conversion clips it instead of scaling it.

    Integers within 16 bits are on the scale of 16 bits, floats within [0, 1] on that one; others are
    stretched from their least to their greatest value.
    """
    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    elif values.dtype.kind != "f" and low >= 0 and high <= _MAX_16_BIT:
        low, high = 0.0, float(_MAX_16_BIT)
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(((values.astype(np.float32) - low) * scale + 0.5).astype(np.uint8))


def _check_webp_canvas(data: bytes, limits: MediaLimits) -> None:
    """Pillow allocates a WebP's canvas twice on opening, before its size can be asked for.

    Layout: https://developers.google.com/speed/webp/docs/riff_container, "Extended File Format".
    """
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) >= 30:
        width, height = (struct.unpack("<I", data[at : at + 3] + b"\0")[0] + 1 for at in (24, 27))
        limits.check_pixels(width, height)
