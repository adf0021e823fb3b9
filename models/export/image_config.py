"""A ``preprocessor_config.json`` for pictures as a manifest's `preprocessing`."""

from __future__ import annotations

from typing import Any

from models.errors import ExportError

_RESCALE = 1 / 255


def image_preprocessing(config: dict[str, Any], where: str) -> tuple[dict[str, Any], str]:
    """The fields of `ImagePreprocessing`, and what differs from the model's own in words (often nothing).

    Args:
        config: As transformers' image processors save themselves.
        where: Names it in the error.

    Raises:
        ExportError: It asks for something that is not done here.
    """
    size, crops = config.get("size"), bool(config.get("do_center_crop", False))
    resized = _side(size, where, "size")
    side = _side(config.get("crop_size", resized), where, "crop_size") if crops else resized
    if side is None:
        raise ExportError(f"{where} does not say the `size` of pictures.")
    if (
        config.get("do_rescale", True)
        and abs(float(config.get("rescale_factor", _RESCALE)) - _RESCALE) > 1e-6
    ):
        raise ExportError(
            f"{where}: `rescale_factor` is {config['rescale_factor']}; pixels are scaled by 1/255 here."
        )
    scaled = bool(config.get("do_rescale", True))
    normalised = bool(config.get("do_normalize", True))
    mean = _three(config.get("image_mean") if normalised else [0.0] * 3, where, "image_mean")
    std = _three(config.get("image_std") if normalised else [1.0] * 3, where, "image_std")
    if not scaled:  # the network takes 0 to 255
        mean, std = [one / 255 for one in mean], [one / 255 for one in std]
    stretched = not crops and isinstance(size, dict) and "height" in size
    note = ""
    if crops and resized is not None and resized > side:
        note = (
            f"The model's own preprocessing keeps the inner {side} of {resized} pixels of a picture; here "
            "the whole "
            "square in the middle is kept."
        )
    return {
        "size_px": side,
        "layout": "nchw",
        "dtype": "float32",
        "mean": mean,
        "std": std,
        "fit": "stretch" if stretched else "crop",
    }, note


def _side(size: Any, where: str, name: str) -> int | None:
    if isinstance(size, dict):
        if "shortest_edge" in size:
            size = size["shortest_edge"]
        elif size.get("height") == size.get("width"):
            size = size.get("height")
        else:
            raise ExportError(f"{where}: `{name}` is not square, and pictures are squares here.")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 2048:
        raise ExportError(f"{where}: `{name}` is {size!r}; sides are whole numbers from 1 to 2048.")
    return size


def _three(values: Any, where: str, name: str) -> list[float]:
    if isinstance(values, int | float):
        values = [values] * 3
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not all(isinstance(one, int | float) for one in values)
    ):
        raise ExportError(
            f"{where}: `{name}` is {values!r}; one number for each of red, green, blue is needed."
        )
    return [float(one) for one in values]
