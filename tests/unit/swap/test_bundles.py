"""Bundles on their way into a worker: packed, fetched, checked, tried out; and every way of being refused."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.errors import CanaryError
from models.fusion import EncoderSpec
from models.fusion.bundle import read_fusion_manifest, write_fusion_manifest
from models.fusion.canary import check_fusion
from models.fusion.interface import Modality
from models.fusion.trained import TrainedFusion
from models.lifecycle import START, Activated, Announced, Bundle, ModelRef
from models.lifecycles import Lifecycles, OfUserModels, apply_any
from streams.errors import DependencyDownError, InvalidError, ModelRefusedError
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from tests.unit.swap.random_fusion import GRAPH_FILE, falsify, write_bundle
from workers.announce_model import archive_name, require_unchanged
from workers.bundle_archive import pack, unpack
from workers.model_bundles import BundleLoader

SPECS: dict[Modality, EncoderSpec] = {
    "text": EncoderSpec("words", "c" * 64, 8),
    "image": EncoderSpec("pictures", "a" * 64, 12),
}
MIB = 1 << 20


def loader(folder: Path, **settings: object) -> BundleLoader:
    models = ModelSettings(folder=folder, **settings)  # type: ignore[arg-type]
    return BundleLoader(Settings(models=models), SPECS)


def announced(folder: Path, source: Path, **fields: object) -> Bundle:
    """The bundle of a folder, packed into the folder of bundles."""
    data = pack(source)
    path = folder / "shop@1.tar"
    path.write_bytes(data)
    manifest = read_fusion_manifest(source)
    bundle = Bundle(
        ModelRef("shop", "1"),
        path.as_uri(),
        hashlib.sha256(data).hexdigest(),
        manifest.space,
        manifest.dimension,
    )
    return replace(bundle, **fields)  # type: ignore[arg-type]


def test_a_bundle_packed_and_loaded_computes_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS, dimension=16)
    (source / "checkpoint.pt").write_bytes(b"not for workers")
    bundle = announced(tmp_path, source)
    assert pack(source) == pack(source), "the same files, the same hash"
    fusion = loader(tmp_path).load_now(bundle)
    feature = np.eye(8, dtype=np.float32)[0]
    np.testing.assert_array_equal(
        fusion.fuse({"text": feature}), TrainedFusion(source, SPECS).fuse({"text": feature})
    )
    assert (fusion.space, fusion.dimension) == (bundle.space, 16)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sha256": "0" * 64}, "has the sha256"),
        ({"space": "random-00000000"}, "random-00000000 .* was announced"),
        ({"dimension": 17}, r"\[17\] was announced"),
        ({"uri": "file:///etc/passwd"}, "neither in the folder"),
        ({"uri": "https://elsewhere.example/shop.tar"}, "neither in the folder"),
    ],
)
def test_what_is_not_as_announced_is_refused(tmp_path: Path, fields: dict[str, object], reason: str) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    with pytest.raises(ModelRefusedError, match=reason):
        loader(tmp_path).load_now(announced(tmp_path, source, **fields))


def test_a_uri_is_read_where_settings_allow_it_and_not_beside(tmp_path: Path) -> None:
    source, store = tmp_path / "source", tmp_path / "store"
    store.mkdir()
    write_bundle(source, SPECS)
    bundle = announced(store, source)
    allowed = f"{store.as_uri()}/"
    assert loader(tmp_path / "own", allowed_uris=(allowed,)).load_now(bundle).space == bundle.space
    aside = replace(bundle, uri=f"{allowed}../source/shop@1.tar")
    with pytest.raises(ModelRefusedError, match="neither in the folder"):
        loader(tmp_path / "own", allowed_uris=(allowed,)).load_now(aside)


def test_what_only_begins_like_an_allowed_uri_is_not_allowed(tmp_path: Path) -> None:
    loads = loader(tmp_path, allowed_uris=("s3://models", "s3://others/"))
    loads.require_allowed("s3://models/shop@1.tar")
    loads.require_allowed("s3://others/shop@1.tar")
    with pytest.raises(ModelRefusedError, match="neither in the folder"):
        loads.require_allowed("s3://models-of-somebody/shop@1.tar")


def test_what_is_no_uri_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    for uri in ("http://[x/shop@1.tar", f"{tmp_path.as_uri()}/ring/shop@1.tar", "file:///a%00b"):
        with pytest.raises(ModelRefusedError, match="no URI of a bundle"):
            loader(tmp_path).require_allowed(uri)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_what_is_wrong_with_this_machine_does_not_refuse_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    bundle = announced(tmp_path, source)

    def fails(self: Path, data: bytes) -> int:
        raise error

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(DependencyDownError, match="on this machine"):
        loader(tmp_path).load_now(bundle)


async def test_bundles_are_loaded_by_a_thread_that_steps_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    loads, names = loader(tmp_path), []
    load_now = loads.load_now

    def noted(bundle: Bundle) -> object:
        names.append(threading.current_thread().name)
        return load_now(bundle)

    loads.load_now = noted  # type: ignore[method-assign, assignment]
    await loads.load(announced(tmp_path, source))
    assert names == ["model bundle"]


def test_a_version_does_not_change_also_where_its_announcement_was_withdrawn() -> None:
    one = Bundle(ModelRef("shop", "1"), "file:///models/shop@1.tar", "a" * 64, "space-1", 4)
    said = (Announced(one), Activated(one.ref, one.space, one, START))
    for kind, changes in (
        ("fusion", said),
        ("user_model", tuple(OfUserModels(one.space, change) for change in said)),
    ):
        other = "user_model" if kind == "fusion" else "fusion"
        for change in changes:
            state = apply_any(Lifecycles(), change, 0)
            require_unchanged(state, one.ref, kind, "a" * 64)  # type: ignore[arg-type]
            with pytest.raises(InvalidError, match="a version does not change"):
                require_unchanged(state, one.ref, kind, "b" * 64)  # type: ignore[arg-type]
            with pytest.raises(InvalidError, match="a version does not change"):
                require_unchanged(state, one.ref, other, "a" * 64)  # type: ignore[arg-type]
            require_unchanged(state, ModelRef("shop", "2"), kind, "b" * 64)  # type: ignore[arg-type]
    # And two that are announced at the same moment do not write over each other.
    assert archive_name(one.ref, "a" * 64) == f"shop@1-{'a' * 16}.tar" != archive_name(one.ref, "b" * 64)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    folder.mkdir()
    write_bundle(source, SPECS)
    bundle = announced(tmp_path, source)
    (folder / "shop@1.tar").symlink_to(tmp_path / "shop@1.tar")
    linked = replace(bundle, uri=(folder / "shop@1.tar").as_uri())
    with pytest.raises(ModelRefusedError, match="neither in the folder"):
        loader(folder).load_now(linked)


def test_a_bundle_that_is_not_there_may_come_yet(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    bundle = announced(tmp_path, source)
    (tmp_path / "shop@1.tar").unlink()
    with pytest.raises(DependencyDownError, match="cannot be read"):
        loader(tmp_path).load_now(bundle)


def test_one_that_is_too_large_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    with pytest.raises(ModelRefusedError, match="max_bundle_bytes"):
        loader(tmp_path, max_bundle_bytes=100).load_now(announced(tmp_path, source))


def test_other_encoders_than_those_in_use_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_bundle(source, {**SPECS, "text": EncoderSpec("others", "d" * 64, 8)})
    with pytest.raises(ModelRefusedError, match="others") as refused:
        loader(tmp_path).load_now(announced(tmp_path, source))
    assert "/tmp/" not in str(refused.value), "the reason does not name a folder that is gone"


def test_an_opset_other_than_the_manifest_s_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    manifest = write_bundle(source, SPECS)
    graph = msgspec.structs.replace(manifest.graph, opset=12)
    write_fusion_manifest(msgspec.structs.replace(manifest, graph=graph), source)
    with pytest.raises(ModelRefusedError, match="opset"):
        loader(tmp_path).load_now(announced(tmp_path, source))


def test_what_computes_something_else_than_its_samples_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    falsify(source, write_bundle(source, SPECS))
    with pytest.raises(ModelRefusedError, match=r"cosine of -1\.0000"):
        loader(tmp_path).load_now(announced(tmp_path, source))


def test_without_samples_it_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    manifest = msgspec.structs.replace(write_bundle(source, SPECS), samples=())
    write_fusion_manifest(manifest, source)
    with pytest.raises(ModelRefusedError, match="no `samples`"):
        loader(tmp_path).load_now(announced(tmp_path, source))


class Broken:
    """A fusion that gives the same for everything, or what is no unit vector."""

    space, dimension = "broken", 4

    def __init__(self, vector: list[float]) -> None:
        self._vector = np.array(vector, np.float32)

    def fuse(self, features: object) -> object:
        return self._vector

    def fuse_batch(self, batch: list[object]) -> list[object]:
        return [self._vector for _ in batch]


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([1, 0, 0, 0], "collapsed"),
        ([np.nan, 0, 0, 0], "length nan"),
        ([2, 0, 0, 0], r"length 2\.0000"),
        ([1, 0], "dimension is 4"),
    ],
)
def test_a_fusion_of_no_use_fails_the_canary(tmp_path: Path, vector: list[float], reason: str) -> None:
    manifest = write_bundle(tmp_path, SPECS, dimension=4)
    stated = np.array([1, 0, 0, 0], "<f4").tobytes()
    sample = msgspec.structs.replace(manifest.samples[0], vector=stated)
    with pytest.raises(CanaryError, match=reason):
        check_fusion(Broken(vector), msgspec.structs.replace(manifest, samples=(sample,)))  # type: ignore[arg-type]


def archive(*entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as written:
        for entry in entries:
            written.addfile(entry, io.BytesIO(b"x" * entry.size))
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size if kind == tarfile.REGTYPE else 0, "/etc/passwd"
    return made


def sparse(name: str, holes_bytes: int) -> tarfile.TarInfo:
    """One byte of content, and holes that are in no archive."""
    made = entry(name)
    made.pax_headers = {
        "GNU.sparse.map": f"{holes_bytes},0",
        "GNU.sparse.size": str(holes_bytes),
        "GNU.sparse.name": name,
    }
    return made


def negative(name: str) -> bytes:
    """The header of a file that says it has minus one bytes."""
    made = entry(name, size=0)
    made.size = -1
    return made.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a tar file at all",
        archive(entry("../outside")),
        archive(entry("/etc/outside")),
        archive(entry("a/b")),
        archive(entry("link", tarfile.SYMTYPE)),
        archive(entry("hard", tarfile.LNKTYPE)),
        archive(entry("device", tarfile.CHRTYPE)),
        archive(sparse("sparse", holes_bytes=1_000)),
        negative("negative") + bytes(2 * tarfile.BLOCKSIZE),
        archive(*(entry(f"file{number}") for number in range(9))),
        archive(entry("large", size=2 * MIB)),
        archive(entry(GRAPH_FILE, size=1_000))[:700],
    ],
)
def test_an_archive_that_could_do_harm_writes_nothing_outside(tmp_path: Path, data: bytes) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(InvalidError):
        unpack(data, inside, MIB)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
