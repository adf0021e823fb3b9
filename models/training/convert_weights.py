"""An encoder with its weights stored otherwise; nothing is trained.

    python -m models.training.convert_weights --encoder FOLDER --storage int8 --out DIR

The manifest keeps its figures: measure them again (`python -m tests.benchmarks.encoder_precision`).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import msgspec
import onnx

from models.encoders.manifest import (
    MANIFEST_FILE,
    AnyManifest,
    AudioManifest,
    GraphEntry,
    VideoManifest,
    encode_manifest,
    read_manifest,
)
from models.encoders.session import read_checked
from models.training.common import console, save_graph
from models.training.weight_storage import STORAGES, Storage, store_weights


def main() -> None:
    """Converts one encoder, and says what it saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, required=True, help="folder of an encoder, in float32")
    parser.add_argument("--storage", choices=STORAGES, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder in which the encoder is written")
    arguments = parser.parse_args()
    files = read_manifest(arguments.encoder).files
    manifest = convert(arguments.encoder, arguments.out, arguments.storage)
    for before, after in zip(files, manifest.files, strict=True):
        console.print(f"{manifest.name}/{after.file}: {before.size_bytes} -> {after.size_bytes} bytes")


def convert(folder: Path, out: Path, storage: Storage) -> AnyManifest:
    """Writes the encoder of ``folder`` to ``out / NAME`` with the weights of its graphs stored otherwise.

    Raises:
        ManifestError: It is no encoder, or its files are not what its manifest says.
    """
    manifest = read_manifest(folder)
    target = out / manifest.name
    target.mkdir(parents=True, exist_ok=True)

    def converted(entry: GraphEntry) -> GraphEntry:
        model = onnx.load_from_string(read_checked(folder, entry))
        made = save_graph(store_weights(model, storage), target / entry.file)
        return msgspec.structs.replace(entry, sha256=made.sha256, size_bytes=made.size_bytes)

    changed: AnyManifest
    match manifest:
        case AudioManifest():
            graphs = tuple(converted(entry) for entry in manifest.graphs)
            changed = msgspec.structs.replace(manifest, graphs=graphs)
        case VideoManifest():
            changed = msgspec.structs.replace(
                manifest, pooling=manifest.pooling and converted(manifest.pooling)
            )
        case _:
            changed = msgspec.structs.replace(manifest, graph=converted(manifest.graph))
    for entry in manifest.files:
        if not isinstance(entry, GraphEntry) and folder.resolve() != target.resolve():
            shutil.copy(folder / entry.file, target / entry.file)
    (target / MANIFEST_FILE).write_bytes(encode_manifest(changed))
    return changed


if __name__ == "__main__":
    main()
