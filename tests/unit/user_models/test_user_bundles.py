"""Bundles of user models that are refused, each with the reason."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.encoders.manifest import MANIFEST_FILE
from models.errors import CanaryError, GraphError, ManifestError
from models.user.bundle import write_user_manifest
from models.user.sequence import SequenceUserModel
from streams.settings import RecommendSettings, Settings
from tests.unit.user_models.random_user_model import GRAPH_FILE, falsify, some_history, write_user_model
from workers.user_model_in_use import UserModelInUse


def test_a_sound_bundle_loads_and_says_what_it_is(tmp_path: Path) -> None:
    manifest = write_user_model(tmp_path, "there", 16)
    model = SequenceUserModel(tmp_path)
    assert (model.space, model.dimension, model.manifest) == ("there", 16, manifest)


def test_another_file_than_the_manifests(tmp_path: Path) -> None:
    write_user_model(tmp_path)
    data = bytearray((tmp_path / GRAPH_FILE).read_bytes())
    data[-1] ^= 1
    (tmp_path / GRAPH_FILE).write_bytes(bytes(data))
    with pytest.raises(ManifestError, match="sha256"):
        SequenceUserModel(tmp_path)


def test_operators_of_others(tmp_path: Path) -> None:
    write_user_model(tmp_path, domain="com.example")
    with pytest.raises(GraphError, match="custom operators"):
        SequenceUserModel(tmp_path)


def test_a_sample_that_comes_out_differently(tmp_path: Path) -> None:
    manifest = write_user_model(tmp_path)
    negated = (-np.frombuffer(manifest.samples[0].vector, "<f4")).tobytes()
    falsify(tmp_path, manifest, vector=negated)
    with pytest.raises(CanaryError, match="cosine of -1"):
        SequenceUserModel(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("ages_s", bytes(16), "do not fit together"),
        ("weights", b"12345", "where numbers should be"),
        ("vectors", np.full(48, np.nan, "<f4").tobytes(), "cannot be computed"),
    ],
)
def test_a_sample_that_is_none(tmp_path: Path, column: str, value: bytes, words: str) -> None:
    falsify(tmp_path, write_user_model(tmp_path), **{column: value})
    with pytest.raises(CanaryError, match=words):
        SequenceUserModel(tmp_path)


def test_no_sample(tmp_path: Path) -> None:
    write_user_manifest(msgspec.structs.replace(write_user_model(tmp_path), samples=()), tmp_path)
    with pytest.raises(CanaryError, match="samples"):
        SequenceUserModel(tmp_path)


def test_another_dimension_than_the_graphs(tmp_path: Path) -> None:
    manifest = write_user_model(tmp_path, dimension=16)
    write_user_manifest(msgspec.structs.replace(manifest, dimension=8), tmp_path)
    with pytest.raises(GraphError):
        SequenceUserModel(tmp_path)


@pytest.mark.parametrize("text", ["{}", "no json", '{"version": 2}'])
def test_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    write_user_model(tmp_path)
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(ManifestError, match="no manifest of a user model"):
        SequenceUserModel(tmp_path)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="freshet train user-model"):
        SequenceUserModel(tmp_path / "none")


def in_use(folder: Path | None, *spaces: tuple[str, int]) -> UserModelInUse:
    return UserModelInUse(Settings(recommend=RecommendSettings(user_model=folder)), spaces)


def test_a_model_of_no_space_that_may_serve_is_refused_at_start(tmp_path: Path) -> None:
    write_user_model(tmp_path, "there", 16)
    with pytest.raises(ManifestError, match=r"space there \[16\]; here they are of here \[16\]"):
        in_use(tmp_path, ("here", 16))
    with pytest.raises(ManifestError, match="there"):
        in_use(tmp_path, ("there", 8))


def test_a_model_is_used_in_its_space_alone(tmp_path: Path) -> None:
    write_user_model(tmp_path, "there", 16)
    # The pointer has moved to another space than that of the settings.
    loaded = in_use(tmp_path, ("there", 16), ("elsewhere", 32))
    assert loaded.of("elsewhere") is None
    model = loaded.of("there")
    assert model is not None
    assert len(model.user_vectors(some_history(3))) == 1


def test_without_a_setting_there_is_none() -> None:
    assert in_use(None, ("here", 16)).of("here") is None


def test_a_history_that_a_network_fails_on_has_no_vector(tmp_path: Path) -> None:
    write_user_model(tmp_path, "there", 16)
    model = in_use(tmp_path, ("there", 16)).of("there")
    assert model is not None
    history = some_history(3)
    history.vectors[0] = np.nan
    assert model.user_vectors(history).shape == (0, 16)
