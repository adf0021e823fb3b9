from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.maven import mirror_in_settings, mirror_url, without_credentials
from streams.errors import ConfigurationError

SETTINGS = """<?xml version="1.0"?>
<settings{namespace}>
  <servers><server><id>m</id><username>me</username><password>{password}</password></server></servers>
  <mirrors><mirror><id>m</id><mirrorOf>{mirror_of}</mirrorOf><url>{url}</url>{more}</mirror></mirrors>
</settings>
"""


def write_settings(
    folder: Path,
    *,
    mirror_of: str = "central",
    url: str = "https://mirror.test/maven/",
    password: str = "p@ss/word",
    namespace: str = "",
    more: str = "",
) -> Path:
    file = folder / "settings.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        SETTINGS.format(mirror_of=mirror_of, url=url, password=password, namespace=namespace, more=more)
    )
    return file


def no_home() -> Path:
    """What `Path.home` does where neither HOME nor the system's users tell of one."""
    raise RuntimeError("Could not determine home directory.")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("FRESHET_MAVEN_REPOSITORY", "MAVEN_HOME", "M2_HOME"):
        monkeypatch.delenv(variable, raising=False)


def test_without_settings_there_is_no_mirror() -> None:
    assert mirror_url() is None


def test_a_user_without_a_home_has_no_settings_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", no_home)
    assert mirror_url() is None


def test_the_variable_is_over_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path / ".m2")
    monkeypatch.setenv("FRESHET_MAVEN_REPOSITORY", "https://other.test/repository/")
    assert mirror_url() == "https://other.test/repository"


def test_the_variable_must_be_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_MAVEN_REPOSITORY", "ftp://me:secret@files.test/x")
    with pytest.raises(ConfigurationError) as caught:
        mirror_url()
    assert "ftp://files.test/x" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://maven.apache.org/SETTINGS/1.2.0"'])
def test_the_users_mirror_with_its_login(tmp_path: Path, namespace: str) -> None:
    write_settings(tmp_path / ".m2", namespace=namespace)
    assert mirror_url() == "https://me:p%40ss%2Fword@mirror.test/maven"


def test_an_encrypted_password_is_not_sent(tmp_path: Path) -> None:
    assert mirror_in_settings(write_settings(tmp_path, password="{abc=}")) == "https://mirror.test/maven"


def test_variables_in_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_TOKEN", "t0ken")
    file = write_settings(tmp_path, password="${env.MIRROR_TOKEN}")
    assert mirror_in_settings(file) == "https://me:t0ken@mirror.test/maven"


@pytest.mark.parametrize(
    ("mirror_of", "covers"),
    [
        ("*", True),
        ("external:*", True),
        ("x, central", True),
        ("*,!internal", True),
        ("*,!central", False),
        ("internal", False),
        ("", False),
    ],
)
def test_which_mirrors_stand_for_central(tmp_path: Path, mirror_of: str, covers: bool) -> None:
    assert (mirror_in_settings(write_settings(tmp_path, mirror_of=mirror_of)) is not None) is covers


def test_a_blocked_mirror_is_none(tmp_path: Path) -> None:
    assert mirror_in_settings(write_settings(tmp_path, more="<blocked>true</blocked>")) is None


def test_broken_settings_are_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.xml"
    file.write_text("<settings>")
    with pytest.raises(ConfigurationError, match=r"settings\.xml cannot be read"):
        mirror_in_settings(file)


def test_credentials_are_hidden() -> None:
    assert without_credentials("https://me:secret@mirror.test:8443/a?b=c") == "https://mirror.test:8443/a?b=c"
    assert without_credentials("https://mirror.test/a") == "https://mirror.test/a"
