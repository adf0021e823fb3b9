"""From a bundle announced to a model that may serve: fetched, its hash checked, loaded, tried out."""

from __future__ import annotations

import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import unquote, urlsplit

import fsspec  # type: ignore[import-untyped]

from models.encoders.session import SessionSettings
from models.errors import ModelError
from models.fusion import EncoderSpec, Fusion
from models.fusion.bundle import read_fusion_manifest
from models.fusion.canary import check_fusion
from models.fusion.trained import TrainedFusion
from models.lifecycle import Bundle
from streams.errors import DependencyDownError, ModelRefusedError
from streams.fields import Modality
from streams.settings import Settings
from workers.background import in_background
from workers.bundle_archive import unpack
from workers.data_folder import models_folder

Model = TypeVar("Model")


class Loader(ABC, Generic[Model]):
    """Loads bundles.

    Args:
        settings: From where bundles may come, and how large they may be.
    """

    def __init__(self, settings: Settings) -> None:
        self._models = settings.models
        self._folder = models_folder(settings)

    @abstractmethod
    def opened(self, folder: Path, bundle: Bundle) -> Model:
        """The model in a folder that was unpacked, checked and tried out.

        Raises:
            ModelRefusedError, ModelError: It must not serve.
        """

    async def load(self, bundle: Bundle) -> Model:
        """The model of a bundle, not on the event loop.

        Raises:
            ModelRefusedError: It must not serve: says why.
            DependencyDownError: It cannot be had now.
        """
        return await in_background(lambda: self.load_now(bundle), "model bundle")

    def load_now(self, bundle: Bundle) -> Model:
        """As `load`, on this thread."""
        return self.checked(self._fetched(bundle.uri), bundle)

    def checked(self, data: bytes, bundle: Bundle) -> Model:
        """The model of a bundle whose bytes are here.

        Raises:
            ModelRefusedError: As `load`.
            DependencyDownError: This machine has no room for it now: says nothing of the bundle.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest != bundle.sha256:
            raise ModelRefusedError(
                f"{bundle.uri[:200]} has the sha256 {digest}, {bundle.sha256} was announced: announce it "
                "anew under another version"
            )
        try:
            with tempfile.TemporaryDirectory(prefix="freshet-bundle-") as unpacked:
                folder = Path(unpacked)
                unpack(data, folder, self._models.max_bundle_bytes)
                return self.opened(folder, bundle)
        except ModelError as error:
            # The folder is gone by now, and tells nobody anything.
            raise ModelRefusedError(
                error.detail.replace(f"{unpacked}/", "").replace(unpacked, "it")
            ) from error
        except ModelRefusedError:
            raise
        except (OSError, MemoryError) as error:
            raise DependencyDownError(
                f"{bundle.ref} cannot be unpacked on this machine: {error!r}"
            ) from error
        except Exception as error:
            raise ModelRefusedError(f"{error}") from error

    def _fetched(self, uri: str) -> bytes:
        limit = self._models.max_bundle_bytes
        self.require_allowed(uri)
        path = _file_of(uri)
        try:
            if path is not None:
                with path.open("rb") as file:
                    data = file.read(limit + 1)
            else:
                with fsspec.open(uri, "rb") as file:
                    data = bytes(file.read(limit + 1))
        except Exception as error:  # each backend has errors of its own
            raise DependencyDownError(f"{uri[:200]} cannot be read: {error}") from error
        if len(data) > limit:
            raise ModelRefusedError(f"it has over {limit:,} bytes, which is `models.max_bundle_bytes`")
        return data

    def require_allowed(self, uri: str) -> None:
        """Raises ModelRefusedError where workers would not read it."""
        try:
            path = _file_of(uri)
            # Where links lead counts, and not where they lie.
            if path is not None and path.resolve().is_relative_to(self._folder.resolve()):
                return
        except (ValueError, OSError, RuntimeError) as error:  # links in a ring are a RuntimeError
            raise ModelRefusedError(f"{uri[:200]!r} is no URI of a bundle: {error}") from error
        plain = "::" not in uri and ".." not in unquote(uri)
        allowed = [f"{one.rstrip('/')}/" for one in self._models.allowed_uris]
        if not (plain and any(uri.startswith(one) for one in allowed)):
            raise ModelRefusedError(
                f"{uri[:200]} is neither in the folder {self._folder} nor under one of `models.allowed_uris`"
            )


class BundleLoader(Loader[Fusion]):
    """Loads bundles of fusions.

    Args:
        settings: From where bundles may come, and how ONNX Runtime runs.
        specs: The encoders in use.
    """

    def __init__(self, settings: Settings, specs: Mapping[Modality, EncoderSpec]) -> None:
        super().__init__(settings)
        self._session = SessionSettings(threads=settings.encoders.threads)
        self._specs = specs

    def opened(self, folder: Path, bundle: Bundle) -> Fusion:
        """See `Loader.opened`."""
        manifest = read_fusion_manifest(folder)
        if (manifest.space, manifest.dimension) != (bundle.space, bundle.dimension):
            raise ModelRefusedError(
                f"it makes the space {manifest.space} [{manifest.dimension}], {bundle.space} "
                f"[{bundle.dimension}] was announced"
            )
        fusion = TrainedFusion(folder, self._specs, self._session)
        check_fusion(fusion, manifest)
        return fusion


def _file_of(uri: str) -> Path | None:
    """The file on this machine that a URI names; None where it names none."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parts.path))
