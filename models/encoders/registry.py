"""The encoders at hand: the bundled ones and those in folders that the user names."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from models.encoders.loading import BUNDLED_FOLDER, AnyEncoder, load_encoder
from models.encoders.manifest import MANIFEST_FILE, AnyManifest, Modality, read_manifest
from models.encoders.session import SessionSettings
from models.errors import ManifestError, UnknownEncoderError


class EncoderRegistry:
    """Finds encoders by name. Manifests are read at once, networks when first asked for.

    Each of ``folders`` is one encoder (it holds a manifest) or holds encoders one level below. Safe to use
    from several threads.
    """

    def __init__(
        self,
        folders: Iterable[Path] = (),
        settings: SessionSettings | None = None,
        *,
        bundled: bool = True,
    ) -> None:
        """Raises ManifestError where a manifest is wrong, a folder holds none, or two share a name."""
        self._settings = settings or SessionSettings()
        self._folders: dict[str, Path] = {}
        self._manifests: dict[str, AnyManifest] = {}
        self._loaded: dict[str, AnyEncoder] = {}
        self._lock = threading.RLock()
        for root in ([BUNDLED_FOLDER] if bundled else []) + [Path(folder) for folder in folders]:
            for folder in encoder_folders(root):
                self._add(folder)

    def names(self, modality: Modality | None = None) -> list[str]:
        """The names at hand, sorted; only those of ``modality`` where it is given."""
        return sorted(
            name for name, manifest in self._manifests.items() if modality in (None, manifest.modality)
        )

    def manifest(self, name: str) -> AnyManifest:
        """What the encoder's manifest says. Raises UnknownEncoderError."""
        self._require(name)
        return self._manifests[name]

    def folder(self, name: str) -> Path:
        """Where the encoder lies. Raises UnknownEncoderError."""
        self._require(name)
        return self._folders[name]

    def get(self, name: str) -> AnyEncoder:
        """The encoder, loaded and checked on first use.

        Raises:
            UnknownEncoderError: no folder holds it.
            ManifestError: its files are not what its manifest says.
        """
        self._require(name)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load_encoder(self._folders[name], self._settings, resolve=self.get)
            return self._loaded[name]

    def _add(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        earlier = self._folders.get(manifest.name)
        if earlier is not None and earlier.resolve() != folder.resolve():
            raise ManifestError(
                f"Two encoders are named {manifest.name}: {earlier} and {folder}. Vectors carry the "
                "encoder's name, so give one of them another."
            )
        self._folders[manifest.name] = folder
        self._manifests[manifest.name] = manifest

    def _require(self, name: str) -> None:
        if name not in self._manifests:
            raise UnknownEncoderError(
                f"No encoder named {name!r}. At hand are: {', '.join(self.names()) or 'none'}. Name a folder "
                "that holds it."
            )


def encoder_folders(root: Path) -> list[Path]:
    """``root`` itself where it holds a manifest, else its subfolders that do.

    Raises:
        ManifestError: there is none.
    """
    if (root / MANIFEST_FILE).is_file():
        return [root]
    found = sorted(path.parent for path in root.glob(f"*/{MANIFEST_FILE}"))
    if not found and root != BUNDLED_FOLDER:
        raise ManifestError(f"No encoder in {root}: neither it nor a folder in it holds a {MANIFEST_FILE}.")
    return found
