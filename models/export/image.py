"""Picture models: ViT, DINO, ConvNeXt and their like, and the image tower of CLIP-like ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.encoders.encoder import Pixels, Vectors
from models.errors import ExportError
from models.export.graph import OUTPUT, export_graph
from models.export.hf import load_model
from models.export.image_config import image_preprocessing
from models.export.options import only
from models.export.prepared import Prepared
from models.export.source import ModelFolder
from models.export.text import vectors_of

_INPUT = "pixel_values"
_BATCH = 16


def prepare_image(source: ModelFolder, options: Mapping[str, Any]) -> Prepared:
    """A network over pictures.

    The vector is the projection of an image tower; else what the network pools; else the first token's,
    or the mean over places where there are no tokens.

    Args:
        source: Its folder, with a ``preprocessor_config.json``.
        options: ``fit``, instead of the model's own.

    Raises:
        ExportError: It cannot be exported; the message says why.
    """
    only(options, ("fit",), "image")
    where = source.folder / "preprocessor_config.json"
    config = source.json(where.name)
    if not isinstance(config, dict):
        raise ExportError(f"{where} is missing: it says which size and colours the network takes.")
    preprocessing, note = image_preprocessing(config, str(where))
    model, missing = load_model(source)
    tower = _ImageTower(model, pools=not missing)
    side = preprocessing["size_px"]
    example = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    graph, dimension = export_graph(tower, (example,), (_INPUT,), (("batch",),))
    mean, std = (torch.tensor(preprocessing[name]).view(1, 3, 1, 1) for name in ("mean", "std"))

    def reference(pictures: Sequence[Pixels]) -> Vectors:
        chunks = []
        for start in range(0, len(pictures), _BATCH):
            pixels = torch.from_numpy(np.stack(list(pictures[start : start + _BATCH]))).permute(0, 3, 1, 2)
            with torch.no_grad():
                chunks.append(tower((pixels / 255 - mean) / std).numpy())
        return np.concatenate(chunks)

    return Prepared(
        modality="image",
        graph=graph,
        inputs=(_INPUT,),
        output=OUTPUT,
        dimension=dimension,
        preprocessing=preprocessing | dict(options),
        reference=reference,
        note=note,
    )


class _ImageTower(nn.Module):
    def __init__(self, model: Any, *, pools: bool) -> None:
        super().__init__()
        self.model = model
        self.pools = pools

    def forward(self, pixels: Tensor) -> Tensor:
        if hasattr(self.model, "get_image_features"):
            return vectors_of(self.model.get_image_features(pixel_values=pixels))
        output = self.model(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None) if self.pools else None
        if pooled is not None:
            return pooled.flatten(1)
        states: Tensor = output.last_hidden_state
        return states[:, 0] if states.ndim == 3 else states.mean(dim=(2, 3))
