"""A trained fusion on the serving path: one contract, whichever method made it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.errors import DimensionError, EncoderOutputError, ManifestError  # noqa: E402
from models.fusion import EncoderSpec, Fusion  # noqa: E402
from models.fusion.bundle import FusionInput  # noqa: E402
from models.fusion.interface import Modality, Vector  # noqa: E402
from models.fusion.trained import TrainedFusion  # noqa: E402
from models.training.fusion_networks import FUSION_METHODS  # noqa: E402
from models.training.fusion_run import train_fusion  # noqa: E402
from streams.settings import FusionSettings, Settings  # noqa: E402
from tests.unit.fusion.tastes import PEOPLE, tastes  # noqa: E402
from workers.encoders_in_use import fusion_of  # noqa: E402

DATA = tastes()
ENCODERS: dict[Modality, EncoderSpec] = {
    "text": EncoderSpec("words", "c" * 64, 8),
    "image": EncoderSpec("pictures", "a" * 64, 24),
    "audio": EncoderSpec("sounds", "b" * 64, 16),
}
LATER = csr_array((np.ones(PEOPLE, np.float32), (np.arange(PEOPLE), DATA.held_out)), shape=DATA.train.shape)
INPUTS = [
    FusionInput(modality="image", encoder="pictures", encoder_sha256="a" * 64, dimension=24),
    FusionInput(modality="audio", encoder="sounds", encoder_sha256="b" * 64, dimension=16),
]


@pytest.fixture(scope="module", params=FUSION_METHODS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    settings = {"method": request.param, "dimension": 16, "hidden": 16, "epochs": 2}
    train_fusion(DATA.train, LATER, DATA.features, INPUTS, settings, 1, folder)
    return folder


def items() -> list[dict[Modality, Vector]]:
    image, audio = DATA.features["image"], DATA.features["audio"]
    return [{"image": image[0], "audio": audio[0]}, {"image": image[1]}, {"audio": audio[2]}, {}]


def test_any_subset_gives_a_unit_vector_and_nothing_gives_none(bundle: Path) -> None:
    fusion: Fusion = TrainedFusion(bundle, ENCODERS)
    *vectors, nothing = fusion.fuse_batch(items())
    assert nothing is None
    for vector in vectors:
        assert vector is not None
        assert (vector.shape, vector.dtype) == ((fusion.dimension,), np.float32)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert fusion.fuse_batch([]) == []


def test_a_vector_does_not_depend_on_its_batch(bundle: Path) -> None:
    fusion = TrainedFusion(bundle, ENCODERS)
    for together, item in zip(fusion.fuse_batch(items()), items(), strict=True):
        alone = fusion.fuse(item)
        assert (together is None) == (alone is None)
        if together is not None and alone is not None:
            np.testing.assert_array_equal(together, alone)


def test_zeros_and_modalities_it_did_not_learn_with_count_as_absent(bundle: Path) -> None:
    fusion = TrainedFusion(bundle, ENCODERS)
    image = DATA.features["image"][0]
    expected = fusion.fuse({"image": image})
    assert expected is not None
    for extra in ({"audio": np.zeros(16, np.float32)}, {"text": np.ones(8, np.float32)}):
        found = fusion.fuse({"image": image, **extra})  # type: ignore[dict-item]
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    assert fusion.fuse({"text": np.ones(8, np.float32)}) is None


def test_features_that_do_not_fit_are_refused(bundle: Path) -> None:
    fusion = TrainedFusion(bundle, ENCODERS)
    with pytest.raises(DimensionError, match=r"gives \[24\]"):
        fusion.fuse({"image": np.ones(23, np.float32)})
    with pytest.raises(DimensionError, match="no video encoder"):
        fusion.fuse({"video": np.ones(4, np.float32)})
    with pytest.raises(EncoderOutputError, match="audio"):
        fusion.fuse({"audio": np.full(16, np.inf, np.float32)})


def test_the_space_is_named_after_the_weights(bundle: Path, tmp_path: Path) -> None:
    space = TrainedFusion(bundle, ENCODERS).space
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert space == f"{manifest['method']}-{manifest['graph']['sha256'][:8]}"
    settings = {"method": manifest["method"], "dimension": 16, "hidden": 16, "epochs": 2}
    train_fusion(DATA.train, LATER, DATA.features, INPUTS, settings, 2, tmp_path)
    assert TrainedFusion(tmp_path, ENCODERS).space != space


def test_settings_name_it(bundle: Path) -> None:
    assert fusion_of(Settings(), ENCODERS).space.startswith("linear-")
    settings = Settings(fusion=FusionSettings(bundle=bundle))
    assert isinstance(fusion_of(settings, ENCODERS), TrainedFusion)


def test_other_encoders_than_those_of_training_are_refused(bundle: Path) -> None:
    other = {**ENCODERS, "image": EncoderSpec("pictures-2", "f" * 64, 24)}
    with pytest.raises(ManifestError, match=r"image encoder pictures \[24\], here is pictures-2"):
        TrainedFusion(bundle, other)
    with pytest.raises(ManifestError, match="here is none"):
        TrainedFusion(bundle, {"image": ENCODERS["image"]})


def test_a_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        TrainedFusion(tmp_path, ENCODERS)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ManifestError, match="no manifest of a fusion"):
        TrainedFusion(tmp_path, ENCODERS)
    (tmp_path / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes())
    model = bytearray((bundle / "model.onnx").read_bytes())
    model[-1] ^= 1
    (tmp_path / "model.onnx").write_bytes(model)
    with pytest.raises(ManifestError, match="sha256"):
        TrainedFusion(tmp_path, ENCODERS)
