"""A user model announced: what every worker checks of it before lists may be made with it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.bundle_kind import bundle_kind
from models.encoders.manifest import MANIFEST_FILE
from models.errors import CanaryError
from models.lifecycle import Bundle, ModelRef
from models.user.bundle import write_user_manifest
from models.user.canary import check_user_model
from models.user.sequence import SequenceUserModel
from streams.errors import ModelRefusedError
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from tests.unit.swap.random_fusion import write_bundle
from tests.unit.swap.test_bundles import SPECS
from tests.unit.user_models.random_user_model import falsify, some_history, write_user_model
from workers.bundle_archive import pack
from workers.user_bundles import UserBundleLoader


def loader(folder: Path, **known: int) -> UserBundleLoader:
    settings = Settings(models=ModelSettings(folder=folder))
    return UserBundleLoader(settings, lambda: known or {"here": 16})


def announced(folder: Path, source: Path, **fields: object) -> Bundle:
    data = pack(source)
    (folder / "taste@1.tar").write_bytes(data)
    uri, sha256 = (folder / "taste@1.tar").as_uri(), hashlib.sha256(data).hexdigest()
    return replace(Bundle(ModelRef("taste", "1"), uri, sha256, "here", 16), **fields)  # type: ignore[arg-type]


def test_a_bundle_packed_and_loaded_computes_the_same(tmp_path: Path) -> None:
    source, history = tmp_path / "source", some_history(7)
    write_user_model(source)
    found = loader(tmp_path).load_now(announced(tmp_path, source))
    own = SequenceUserModel(source).user_vectors(history)
    np.testing.assert_array_equal(found.user_vectors(history), own)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sha256": "0" * 64}, "has the sha256"),
        ({"space": "there"}, "there .* was announced"),
        ({"dimension": 17}, r"\[17\] was announced"),
        ({"uri": "file:///etc/passwd"}, "neither in the folder"),
    ],
)
def test_what_is_not_as_announced_is_refused(tmp_path: Path, fields: dict[str, object], reason: str) -> None:
    write_user_model(tmp_path / "source")
    with pytest.raises(ModelRefusedError, match=reason):
        loader(tmp_path).load_now(announced(tmp_path, tmp_path / "source", **fields))


@pytest.mark.parametrize("known", [{"there": 16}, {"here": 32}])
def test_one_of_a_space_that_no_fusion_makes_is_refused(tmp_path: Path, known: dict[str, int]) -> None:
    write_user_model(tmp_path / "source")
    with pytest.raises(ModelRefusedError, match=r"no fusion here makes: there are (there|here) \["):
        loader(tmp_path, **known).load_now(announced(tmp_path, tmp_path / "source"))


def test_one_with_other_samples_another_opset_or_operators_of_others_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    manifest = write_user_model(source)
    falsify(source, manifest, vector=(-np.frombuffer(manifest.samples[0].vector, "<f4")).tobytes())
    with pytest.raises(ModelRefusedError, match="cosine of -1"):
        loader(tmp_path).load_now(announced(tmp_path, source))
    other = msgspec.structs.replace(manifest, graph=msgspec.structs.replace(manifest.graph, opset=12))
    write_user_manifest(other, source)
    with pytest.raises(ModelRefusedError, match="opset"):
        loader(tmp_path).load_now(announced(tmp_path, source))
    write_user_model(source, domain="com.example")
    with pytest.raises(ModelRefusedError, match="custom operators"):
        loader(tmp_path).load_now(announced(tmp_path, source))


def test_the_bundle_of_a_fusion_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "source", SPECS)
    with pytest.raises(ModelRefusedError, match="the bundle of a fusion"):
        loader(tmp_path).load_now(announced(tmp_path, tmp_path / "source"))


def test_the_kind_is_in_the_manifest_and_told_without_it_too(tmp_path: Path) -> None:
    write_bundle(tmp_path / "fusion", SPECS)
    write_user_model(tmp_path / "user")
    for folder, kind in (("fusion", "fusion"), ("user", "user_model")):
        path = tmp_path / folder / MANIFEST_FILE
        stated = msgspec.json.decode(path.read_bytes())
        assert (stated.pop("kind"), bundle_kind(tmp_path / folder)) == (kind, kind)
        path.write_bytes(msgspec.json.encode(stated))
        assert bundle_kind(tmp_path / folder) == kind, "one that was trained before"


class Says:
    """A graph that always says the same."""

    def __init__(self, answer: float) -> None:
        self._answer = answer

    def run(self, *inputs: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.full((1, 16), self._answer, np.float32)


@pytest.mark.parametrize(("answer", "reason"), [(np.nan, "1 entries"), (0.0, "no vector of any")])
def test_a_canary_runs_it_on_histories_beside_its_samples(tmp_path: Path, answer: float, reason: str) -> None:
    write_user_model(tmp_path)
    model = SequenceUserModel(tmp_path)
    check_user_model(model)
    model._graph = Says(answer)  # type: ignore[assignment]
    with pytest.raises(CanaryError, match=reason):
        check_user_model(model)
