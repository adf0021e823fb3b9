"""Further architectures: each is exported, and gives what PyTorch gives. With random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")

from models.encoders import load_encoder
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from models.export.samples import made_up
from tests.unit.export.tiny_models import save_other

TEXT = ("Roberta", "MPNet", "ModernBert", "DebertaV2")
IMAGE = ("Dinov2", "ConvNext", "Swin")


@pytest.mark.parametrize("architecture", [*TEXT, *IMAGE])
def test_it_is_exported_as_it_is(architecture: str, tmp_path: Path) -> None:
    folder = save_other(architecture, tmp_path / architecture)
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    assert added.name == architecture.lower()
    assert added.modality == ("text" if architecture in TEXT else "image")
    assert added.quality["cosine_with_pytorch"].value >= 0.9999
    encoder = load_encoder(added.folder)
    items = ["red leather boots", "cats", "piano music for late evenings"]
    vectors = encoder.encode(items if architecture in TEXT else made_up(encoder).items)
    # That they agree says something only where items differ.
    assert np.ptp(vectors @ vectors.T) > 0.01
