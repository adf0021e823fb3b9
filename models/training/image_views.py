"""Views of photographs for training."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def random_view(image: Image.Image, rng: np.random.Generator, least_area: float = 0.5) -> Image.Image:
    """A crop of ``least_area`` to all, mirrored by chance, with other brightness, contrast and colour."""
    width, height = image.size
    side = np.sqrt(rng.uniform(least_area, 1.0))
    aspect = np.exp(rng.uniform(-0.2, 0.2))
    w, h = min(1.0, side * aspect) * width, min(1.0, side / aspect) * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    view = image.crop((int(left), int(top), int(left + w) or 1, int(top + h) or 1))
    if rng.random() < 0.5:
        view = ImageOps.mirror(view)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        view = enhance(view).enhance(rng.uniform(0.7, 1.3))
    return view
