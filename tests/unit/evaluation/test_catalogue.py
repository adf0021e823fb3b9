"""A catalogue that is encoded in one process is that of the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.datasets import open_dataset
from models.encoders.encoder import mean_direction
from models.fusion.linear import BLOCK_ROWS
from models.preprocessing.image import decode_image
from models.preprocessing.text import item_text
from streams.internal_messages import ItemVector
from streams.settings import Settings, load_settings
from tests.unit.evaluation.tiny_dataset import COLOURS, picture, tiny_items, write_dataset
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.evaluation.catalogue import Catalogue, build_catalogue

SETTINGS: Settings = load_settings()


def vector(catalogue: Catalogue, item_id: str) -> ItemVector:
    (found,) = [one for one in catalogue.vectors if one.item_id == item_id]
    return found


def numbers(message: ItemVector) -> np.ndarray:
    assert message.vector is not None
    return np.frombuffer(message.vector, "<f2").astype(np.float32)


def test_vectors_are_those_of_the_encoders_and_the_fusion_in_use(tiny_folder: Path) -> None:
    catalogue = build_catalogue(open_dataset(tiny_folder), SETTINGS)
    registry = encoder_registry(SETTINGS)
    fusion = fusion_in_use(SETTINGS, registry)
    assert catalogue.space == fusion.space
    assert catalogue.modalities == {"text": 12, "image": 6}
    image = registry.get("image-cnn-64")
    item = next(item for item in tiny_items() if item["item_id"] == "pans-0")
    pixels = decode_image(picture(COLOURS["pans"]), image.size_px)  # type: ignore[union-attr]
    expected = fusion.fuse(
        {
            "text": registry.get("text-distilled-128").encode(
                [item_text(item["title"], item["description"])]
            )[0],
            "image": image.encode([pixels])[0],
        }
    )
    assert expected is not None
    found = vector(catalogue, "pans-0")
    assert found.modalities == ["image", "text"]
    assert numbers(found).tolist() == expected.astype("<f2").astype(np.float32).tolist()


def test_the_index_holds_what_half_precision_leaves(tiny_folder: Path) -> None:
    catalogue = build_catalogue(open_dataset(tiny_folder), SETTINGS, ("text",))
    index = catalogue.index()
    assert len(index) == 12
    row = index.item_rows["books-2"]
    assert index.vectors[row].tolist() == numbers(vector(catalogue, "books-2")).tolist()


def test_only_the_modalities_that_are_asked_for_count(tiny_folder: Path) -> None:
    catalogue = build_catalogue(open_dataset(tiny_folder), SETTINGS, ("image",))
    assert catalogue.modalities == {"image": 6}
    assert vector(catalogue, "pans-3").vector is None
    assert not numbers(vector(catalogue, "pans-0"))[BLOCK_ROWS["text"]].any()


def test_vectors_of_an_encoder_that_no_deployment_has_are_a_modality_too(tmp_path: Path) -> None:
    items = tiny_items()
    for item, values in zip(items[:3], ([3.0, 4.0], [6.0, 8.0], [-3.0, -4.0]), strict=True):
        item["vectors"] = {"audio": {"encoder": "mine", "values": values}}
    catalogue = build_catalogue(open_dataset(write_dataset(tmp_path / "own", items)), SETTINGS, ("audio",))
    assert catalogue.modalities == {"audio": 3}
    first, second, third = (numbers(vector(catalogue, f"shoes-{number}")) for number in range(3))
    # The same direction, whatever the length; and its opposite.
    assert first == pytest.approx(second)
    assert first @ third == pytest.approx(-1.0, abs=1e-3)
    assert not first[: BLOCK_ROWS["audio"].start].any()
    assert catalogue.space != build_catalogue(open_dataset(tmp_path / "own"), SETTINGS, ("text",)).space


def test_media_that_cannot_be_decoded_are_named_and_the_item_stays(tiny_folder: Path) -> None:
    (tiny_folder / "media" / "pans.png").write_bytes(b"no picture")
    catalogue = build_catalogue(open_dataset(tiny_folder), SETTINGS)
    assert vector(catalogue, "pans-0").modalities == ["text"]
    (refused,) = catalogue.refused
    assert refused.startswith("image of item pans-0: not an image")


def test_a_cache_spares_encoding_and_changes_nothing(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(tiny_folder)
    first = build_catalogue(dataset, SETTINGS, cache=tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr("models.encoders.text.TextEncoder.encode", refuse)
    monkeypatch.setattr("models.encoders.image.ImageEncoder.encode", refuse)
    progress: list[tuple[int, int]] = []
    again = build_catalogue(
        dataset, SETTINGS, cache=tmp_path / "cache", on_progress=lambda *one: progress.append(one)
    )
    assert again.vectors == first.vectors
    assert progress[-1] == (18, 18)


def test_a_broken_cache_is_written_anew(tiny_folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(tiny_folder)
    first = build_catalogue(dataset, SETTINGS, cache=tmp_path / "cache")
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert build_catalogue(dataset, SETTINGS, cache=tmp_path / "cache").vectors == first.vectors
    assert build_catalogue(dataset, SETTINGS, cache=tmp_path / "cache").vectors == first.vectors


def test_several_pictures_of_an_item_are_their_mean_direction() -> None:
    found = mean_direction([np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)])  # type: ignore[list-item]
    assert found == pytest.approx(np.sqrt([0.5, 0.5]))
    assert not mean_direction([np.array([1.0], np.float32), np.array([-1.0], np.float32)]).any()  # type: ignore[list-item]
