"""Models of pictures and sound as encoders, against transformers with its own preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="the extra `export` is not installed")

import torch
import transformers
from PIL import Image
from transformers import AutoModel, CLIPImageProcessorPil

from models.encoders import load_encoder
from models.encoders.audio import AudioEncoder
from models.encoders.image import ImageEncoder
from models.errors import ExportError
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from models.export.samples import made_up
from tests.unit.export.test_export_text import cosines, different
from tests.unit.export.tiny_models import (
    SIDE_PX,
    save_ast,
    save_bert,
    save_clip,
    save_image_processor,
    save_resnet,
    save_siglip,
    save_vit,
)


def features(folder: Path, pictures: Any) -> Any:
    """What transformers makes of them, with the preprocessing that it has itself."""
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    inputs = processor(images=[Image.fromarray(one) for one in pictures], return_tensors="pt")
    with torch.no_grad():
        if hasattr(model, "get_image_features"):
            return model.get_image_features(**inputs).pooler_output.numpy()
        return model(**inputs)


def added_image(folder: Path, out: Path, **changes: Any) -> ImageEncoder:
    made = add_encoders(AddRequest(source=str(folder), out=out, modality="image", **changes))
    encoder = load_encoder(made[0].folder)
    assert isinstance(encoder, ImageEncoder)
    return encoder


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_the_image_tower_of_a_model_of_two(save: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "towers")
    encoder = added_image(folder, tmp_path / "out")
    pictures = made_up(encoder).items
    vectors = encoder.encode(pictures)
    assert cosines(vectors, features(folder, pictures)).min() >= 0.9999
    assert different(vectors)
    assert encoder.manifest.preprocessing.fit == ("crop" if save is save_clip else "stretch")


def test_both_towers_make_one_space(tmp_path: Path) -> None:
    made = add_encoders(AddRequest(source=str(save_clip(tmp_path / "clip")), out=tmp_path / "out"))
    assert [(one.name, one.modality) for one in made] == [("clip-image", "image"), ("clip-text", "text")]
    assert {one.dimension for one in made} == {24}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip-image", "clip-text"}


def test_a_persons_own_pictures(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, colour in enumerate(("red", "blue", "white")):
        Image.new("RGB", (50, 40), colour).save(pictures / f"{number}.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ExportError, match="--modality"):
        add_encoders(AddRequest(source=str(folder), out=tmp_path / "out", sample=pictures))
    made = add_encoders(
        AddRequest(source=str(folder), out=tmp_path / "out", modality="image", sample=pictures)
    )
    assert made[0].quality["cosine_with_pytorch"].dataset == "3 of 3 items of pictures"
    mean = load_encoder(made[0].folder).manifest.output_mean
    assert 0 < np.linalg.norm(mean) < 1
    with pytest.raises(ExportError, match="no folder"):
        add_encoders(
            AddRequest(
                source=str(folder), out=tmp_path / "more", modality="image", sample=folder / "config.json"
            )
        )


def test_where_one_tower_fails_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.export import text

    folder = save_clip(tmp_path / "clip")
    whole = text.vectors_of
    monkeypatch.setattr(text, "vectors_of", lambda output: whole(output).roll(1, dims=0))
    with pytest.raises(ExportError, match="clip-text"):
        add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("pooler", [True, False])
def test_a_vision_transformer_with_and_without_weights_of_its_pooling(pooler: bool, tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "vit", pooler=pooler)
    encoder = added_image(folder, tmp_path / "out")
    pictures = made_up(encoder).items
    output = features(folder, pictures)
    expected = output.pooler_output if pooler else output.last_hidden_state[:, 0]
    assert cosines(encoder.encode(pictures), expected).min() >= 0.9999
    assert different(encoder.encode(pictures))


def test_a_convolutional_network_and_a_note_on_its_frame(tmp_path: Path) -> None:
    folder = save_resnet(tmp_path / "resnet")
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    assert added.dimension == 16
    assert "inner 32 of 40 pixels" in added.note


def test_how_a_picture_becomes_square_may_be_chosen(tmp_path: Path) -> None:
    encoder = added_image(save_clip(tmp_path / "clip"), tmp_path / "out", options={"fit": "pad"})
    assert encoder.manifest.preprocessing.fit == "pad"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"size": {"height": 32, "width": 48}, "do_center_crop": False}, "not square"),
        ({"size": {"shortest_edge": 10**9}}, "1 to 2048"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor"),
        ({"image_mean": [0.5]}, "image_mean"),
    ],
)
def test_preprocessing_that_is_not_done_here(fields: dict[str, Any], named: str, tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "vit", pooler=True)
    save_image_processor(folder, **({"size": {"shortest_edge": SIDE_PX}} | fields))
    with pytest.raises(ExportError, match=named):
        add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))


def test_sound_from_samples_on(tmp_path: Path) -> None:
    folder = save_ast(tmp_path / "ast")
    (added,) = add_encoders(AddRequest(source=str(folder), out=tmp_path / "out"))
    encoder = load_encoder(added.folder)
    assert isinstance(encoder, AudioEncoder)
    # whole windows and halves, which transformers fills up as spectrograms
    clips = made_up(encoder).items
    assert len({len(clip) for clip in clips}) == 2
    extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = [
            model(**extractor(clip, sampling_rate=16_000, return_tensors="pt")).pooler_output[0].numpy()
            for clip in clips
        ]
    vectors = encoder.encode(clips)
    assert cosines(vectors, expected).min() >= 0.9999
    assert different(vectors)
    assert not encoder.encode([np.zeros(0, np.float32)]).any()


def test_another_architecture_for_sound_is_refused(tmp_path: Path) -> None:
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "speech")
    with pytest.raises(ExportError, match="audio-spectrogram-transformer is exported"):
        add_encoders(AddRequest(source=str(tmp_path / "speech"), out=tmp_path / "out"))


def test_a_modality_that_the_model_does_not_encode(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="encodes text, not image"):
        added_image(save_bert(tmp_path / "bert"), tmp_path / "out")
