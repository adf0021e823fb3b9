"""From a folder with a bundle to its announcement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import msgspec

from models.bundle_kind import BundleKind, read_manifest
from models.lifecycle import START, Bundle, ModelRef
from models.lifecycles import Lifecycles
from streams.client import FreshetClient
from streams.errors import ConfigurationError, InvalidError
from streams.fields import ModelKey
from streams.settings import Settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from workers.bundle_archive import pack
from workers.data_folder import models_folder
from workers.model_switch import loader_of
from workers.models_topic import bundle_record, parse_ref, read_lifecycles
from workers.user_models_topic import user_bundle_record


@dataclass(frozen=True)
class AnnouncedModel:
    """What was announced, flat, as commands show it."""

    ref: ModelRef
    kind: BundleKind
    uri: str
    sha256: str
    space: str
    dimension: int


def announce_bundle(settings: Settings, folder: Path, model: str, to: str | None) -> AnnouncedModel:
    """Pack a bundle, put it where workers find it, check it as they will, and announce it.

    Args:
        folder: What `freshet train fusion` or `freshet train user-model` wrote.
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
    manifest = read_manifest(folder)
    kind = manifest.kind
    data = pack(folder)
    sha256 = hashlib.sha256(data).hexdigest()
    state = read_lifecycles(settings)
    require_unchanged(state, ref, kind, sha256)
    name = archive_name(ref, sha256)
    file = None if to is not None else models_folder(settings) / name
    uri = file.as_uri() if file is not None else f"{(to or '').rstrip('/')}/{name}"
    bundle = Bundle(ref, uri, sha256, manifest.space, manifest.dimension)
    loader = loader_of(settings, state, kind)
    loader.require_allowed(uri)
    loader.checked(data, bundle)
    _put(data, uri, file)
    if kind == "fusion":
        create_topics(settings, [bundle.space])
    write = bundle_record if kind == "fusion" else user_bundle_record
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        client.publish([write(TopicNames(settings.topics.prefix), bundle, datetime.now(UTC))])
    return AnnouncedModel(ref, kind, uri, sha256, bundle.space, bundle.dimension)


def archive_name(ref: ModelRef, sha256: str) -> str:
    """The file of a bundle: other content has another name, so that none that serves is written over."""
    return f"{ref}-{sha256[:16]}.tar"


def require_unchanged(state: Lifecycles, ref: ModelRef, kind: BundleKind, sha256: str) -> None:
    """Raises InvalidError where a version is known, announced or serving, with other content or as another
    kind of model.
    """
    of_kind = {"fusion": [state.fusions], "user_model": list(state.users.values())}
    for other, lifecycles in of_kind.items():
        for one in lifecycles:
            announced = one.bundles.get(ref)
            for held in (one.bundle(ref), None if announced is None else announced[1]):
                if held is not None and (held.sha256 != sha256 or kind != other):
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
