"""Kafka's jars: fetched once from Maven Central, checked, kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.embedded.maven import mirror_url, without_credentials
from streams.errors import ConfigurationError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.1.0"
LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")
_PARALLEL_DOWNLOADS = 8
_ATTEMPTS = 3
_RETRY_DELAY_S = 1.0
_HTTP_TIMEOUT_S = 20
_OWN_JARS = "FRESHET_KAFKA_JARS"


@dataclass(frozen=True)
class LockedJar:
    """A jar as it must be: its Maven coordinates, its size in bytes and its SHA-256 as hex digits."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """As in a Maven repository."""
        return f"{self.artifact}-{self.version}.jar"


@cache
def locked_jars() -> tuple[LockedJar, ...]:
    """The jars of Kafka's class path, as `kafka_jars.lock` lists them."""
    jars = []
    for line in LOCK_FILE.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            coordinates, size, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(LockedJar(group, artifact, version, int(size), sha256))
    return tuple(jars)


def cache_folder() -> Path:
    """The user's cache folder: `FRESHET_CACHE_DIR`, else `freshet` in `XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        ConfigurationError: None is named, and the user has no home.
    """
    if named := os.environ.get("FRESHET_CACHE_DIR"):
        return Path(named).expanduser().absolute()
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        raise ConfigurationError(
            "this user has no home to keep Kafka's jars in; "
            "name a folder that can be written in FRESHET_CACHE_DIR"
        ) from None
    return Path(base).absolute() / "freshet"


def kafka_jars(on_progress: Callable[[str], None]) -> Path:
    """The folder with Kafka's jars, fetched first where they are not yet in the cache.

    `FRESHET_KAFKA_JARS` names a folder to use instead, such as `libs` of a Kafka that is installed.

    Raises:
        ConfigurationError: They cannot be fetched, or the folder that is named has no Kafka. The message says
            what to do.
    """
    if named := os.environ.get(_OWN_JARS):
        folder = Path(named).expanduser().absolute()
        if not any(folder.glob("kafka_2.*.jar")):
            raise ConfigurationError(
                f"{_OWN_JARS} names {folder}, where there is no kafka_2.….jar; "
                "it must be the `libs` folder of a Kafka"
            )
        return folder
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:8]
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}-{digest}"
    if not _missing(folder):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_download_at_a_time(folder):
            if missing := _missing(folder):
                _fetch(missing, folder, on_progress)
    except OSError as error:
        raise ConfigurationError(
            f"Kafka's jars cannot be kept in {folder} ({error.strerror}); "
            "name a folder that can be written in FRESHET_CACHE_DIR"
        ) from None
    return folder


def _missing(folder: Path) -> list[LockedJar]:
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)} if folder.is_dir() else {}
    return [jar for jar in locked_jars() if sizes.get(jar.file_name) != jar.size]


@contextmanager
def _one_download_at_a_time(folder: Path) -> Iterator[None]:
    with _beside(folder, ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: list[LockedJar], folder: Path, on_progress: Callable[[str], None]) -> None:
    try:
        from jgo.maven import MavenContext
    except ImportError:
        raise ConfigurationError(
            "the package jgo, which fetches Kafka, is not installed. Install the extra `local` (pip install "
            f"'freshet[local]'), or name the `libs` folder of an installed Kafka in {_OWN_JARS}, "
            "or a running Kafka with --bootstrap-servers"
        ) from None
    mirror = mirror_url()
    partial = _beside(folder, ".partial")
    context = MavenContext(
        repo_cache=partial,
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=_HTTP_TIMEOUT_S,
    )
    megabytes = round(sum(jar.size for jar in jars) / 1e6)
    on_progress(f"fetching Kafka {KAFKA_VERSION} ({megabytes} MB, first time only)")
    # The reason reaches the user in the error; jgo and urllib3 would print it in between as well.
    logging.getLogger("jgo").addHandler(logging.NullHandler())
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        downloads = [pool.submit(_fetch_one, context, jar, folder) for jar in jars]
        try:
            for count, download in enumerate(as_completed(downloads), start=1):
                download.result()
                if count % 10 == 0:
                    on_progress(f"fetching Kafka {KAFKA_VERSION}: {count} of {len(jars)} files")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    shutil.rmtree(partial, ignore_errors=True)  # only empty folders are left


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(folder.name + ending)


def _fetch_one(context: MavenContext, jar: LockedJar, folder: Path) -> None:
    """Download a jar, check it, and move it into the folder, whole or not at all."""
    problem = ""
    for attempt in range(_ATTEMPTS):
        time.sleep(_RETRY_DELAY_S * attempt)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            path = artifact.resolve()
        except (
            Exception
        ) as error:  # jgo and requests raise what they like; the next attempt or the user decides
            problem = _in_short(error)
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
            path.replace(folder / jar.file_name)
            return
        path.unlink()  # cut short, or altered on the way
        problem = "what was received is not the file that Kafka was tested with (its SHA-256 differs)"
    repositories = ", ".join(map(without_credentials, context.remote_repos.values()))
    raise ConfigurationError(
        f"{jar.file_name} of Kafka {KAFKA_VERSION} cannot be fetched from {repositories}: {problem}. "
        "Connect to the network for this first start; or name a mirror of Maven Central in "
        f"FRESHET_MAVEN_REPOSITORY; or install Kafka and name its `libs` folder in {_OWN_JARS}; "
        "or name a running Kafka with --bootstrap-servers"
    )


def _in_short(error: Exception) -> str:
    # jgo's own error repeats the repository's URL, which may hold a password.
    if isinstance(error, RuntimeError):
        return "the repository does not have it, or refuses it"
    return f"{type(error).__name__}: no connection, or it broke off"
