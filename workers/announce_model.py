"""From a folder with a bundle to its announcement."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import msgspec

from models.fusion.bundle import read_fusion_manifest
from models.lifecycle import START, Bundle, Lifecycle, ModelRef
from streams.client import FreshetClient
from streams.errors import ConfigurationError, InvalidError
from streams.fields import ModelKey
from streams.settings import Settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from workers.bundle_archive import pack
from workers.data_folder import models_folder
from workers.encoders_in_use import encoder_registry, specs_in_use
from workers.model_bundles import BundleLoader
from workers.models_topic import bundle_record, parse_ref, read_lifecycle


def announce_bundle(settings: Settings, folder: Path, model: str, to: str | None) -> Bundle:
    """Pack a bundle, put it where workers find it, check it as they will, and announce it.

    Args:
        folder: What `freshet train fusion` wrote.
        model: ``name@version``.
        to: A URI under which it is put; None for the folder of bundles.

    Raises:
        InvalidError: The name is taken, or no name.
        ManifestError: The folder is no bundle.
        ModelRefusedError: Workers would refuse it.
        ConfigurationError: It cannot be put there, or Kafka refuses.
        DependencyDownError: Kafka does not answer.
    """
    try:
        ref = parse_ref(msgspec.convert(model, ModelKey))
    except msgspec.ValidationError:
        raise InvalidError(
            f"`{model[:100]}` is no name of a model: write NAME@VERSION, of letters, digits, `.`, `_` and `-`"
        ) from None
    if ref.name == START.name:
        raise InvalidError(f"`{START.name}` is what the settings say: give the bundle another name")
    manifest = read_fusion_manifest(folder)
    data = pack(folder)
    sha256 = hashlib.sha256(data).hexdigest()
    require_unchanged(read_lifecycle(settings), ref, sha256)
    name = archive_name(ref, sha256)
    file = None if to is not None else models_folder(settings) / name
    uri = file.as_uri() if file is not None else f"{(to or '').rstrip('/')}/{name}"
    bundle = Bundle(ref, uri, sha256, manifest.space, manifest.dimension)
    loader = BundleLoader(settings, specs_in_use(settings, encoder_registry(settings)))
    loader.require_allowed(uri)
    loader.checked(data, bundle)
    _put(data, uri, file)
    create_topics(settings, [bundle.space])
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        record = bundle_record(TopicNames(settings.topics.prefix), bundle, datetime.now(UTC))
        client.publish([record])
    return bundle


def archive_name(ref: ModelRef, sha256: str) -> str:
    """The file of a bundle: other content has another name, so that none that serves is written over."""
    return f"{ref}-{sha256[:16]}.tar"


def require_unchanged(state: Lifecycle, ref: ModelRef, sha256: str) -> None:
    """Raises InvalidError where a version is known, announced or serving, with other content."""
    announced = state.bundles.get(ref)
    for held in (state.bundle(ref), None if announced is None else announced[1]):
        if held is not None and held.sha256 != sha256:
            raise InvalidError(
                f"{ref} was announced with other content: a version does not change, choose another"
            )


def _put(data: bytes, uri: str, path: Path | None) -> None:
    """Write a bundle to a URI, or to the file that it names."""
    try:
        if path is None:
            with fsspec.open(uri, "wb") as file:
                file.write(data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # In one step: a worker finds all of it or none.
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(data)
        new.replace(path)
    except Exception as error:  # each backend has errors of its own
        raise ConfigurationError(f"the bundle cannot be put at {uri}: {error}") from error
