"""Fetching, against a small repository on loopback in place of Maven Central."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.embedded import kafka_jars as module
from deploy.embedded.kafka_jars import LockedJar, kafka_jars, locked_jars
from streams.errors import ConfigurationError

CONTENT = {"one": b"first jar", "two": b"second jar"}
JARS = tuple(
    LockedJar("org.example", name, "1.0", len(content), hashlib.sha256(content).hexdigest())
    for name, content in CONTENT.items()
)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files of a Maven repository with both jars."""
    for name, content in CONTENT.items():
        folder = tmp_path / "repository" / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True)
        (folder / f"{name}-1.0.jar").write_bytes(content)
    return tmp_path / "repository"


@pytest.fixture
def server(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadingHTTPServer]:
    """It served on loopback, named with a password, and a cache folder that is empty."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(repository))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://me:secret@127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("FRESHET_MAVEN_REPOSITORY", url)
        monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.delenv("FRESHET_KAFKA_JARS", raising=False)
        monkeypatch.setattr(module, "locked_jars", lambda: JARS)
        monkeypatch.setattr(module, "_RETRY_DELAY_S", 0.0)
        yield server
        server.shutdown()
        thread.join()


def jar_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_lock_lists_kafka() -> None:
    names = {jar.file_name for jar in locked_jars()}
    assert {"kafka_2.13-4.1.0.jar", "kafka-clients-4.1.0.jar", "slf4j-simple-1.7.36.jar"} <= names
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked_jars())
    assert len(names) == len(locked_jars())


def test_the_second_start_needs_no_network(server: ThreadingHTTPServer) -> None:
    messages: list[str] = []
    folder = kafka_jars(messages.append)
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert jar_names(folder) == {"one-1.0.jar", "two-1.0.jar"}
    assert (folder / "one-1.0.jar").read_bytes() == CONTENT["one"]
    assert messages[0] == "fetching Kafka 4.1.0 (0 MB, first time only)"
    server.shutdown()
    server.server_close()
    messages.clear()
    assert kafka_jars(messages.append) == folder
    assert messages == []


def test_only_what_is_missing_is_fetched(server: ThreadingHTTPServer, repository: Path) -> None:
    folder = kafka_jars(lambda message: None)
    (folder / "two-1.0.jar").write_bytes(b"cut")
    (repository / "org/example/one/1.0/one-1.0.jar").unlink()
    assert (kafka_jars(lambda message: None) / "two-1.0.jar").read_bytes() == CONTENT["two"]


@pytest.mark.usefixtures("server")
def test_an_altered_jar_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "org/example/two/1.0/two-1.0.jar").write_bytes(b"SECOND JAR")
    with pytest.raises(ConfigurationError, match=r"two-1\.0\.jar .* \(its SHA-256 differs"):
        kafka_jars(lambda message: None)
    assert not list((tmp_path / "cache").rglob("two-1.0.jar"))


@pytest.mark.usefixtures("server")
def test_a_repository_without_the_jar(repository: Path) -> None:
    (repository / "org/example/two/1.0/two-1.0.jar").unlink()
    with pytest.raises(ConfigurationError, match="does not have it, or refuses it") as caught:
        kafka_jars(lambda message: None)
    assert "secret" not in str(caught.value)


def test_offline_the_error_says_what_to_do(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ConfigurationError) as caught:
        kafka_jars(lambda message: None)
    for hint in ("no connection", "FRESHET_MAVEN_REPOSITORY", "FRESHET_KAFKA_JARS", "--bootstrap-servers"):
        assert hint in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_installed_kafka_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kafka_2.13-4.1.0.jar").touch()
    monkeypatch.setenv("FRESHET_KAFKA_JARS", str(tmp_path))
    assert kafka_jars(lambda message: None) == tmp_path


def test_a_folder_without_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_KAFKA_JARS", str(tmp_path))
    with pytest.raises(ConfigurationError, match="`libs` folder of a Kafka"):
        kafka_jars(lambda message: None)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("FRESHET_KAFKA_JARS", raising=False)
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match="name a folder that can be written in FRESHET_CACHE_DIR"):
        kafka_jars(lambda message: None)


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in ("FRESHET_CACHE_DIR", "FRESHET_KAFKA_JARS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigurationError, match=r"no home.*FRESHET_CACHE_DIR"):
        kafka_jars(lambda message: None)
