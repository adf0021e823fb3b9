"""Which Maven repository to use: the user's mirror where there is one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit
from xml.etree import ElementTree

from streams.errors import ConfigurationError

_CENTRAL = "central"


def mirror_url() -> str | None:
    """The URL of the repository that stands for Maven Central, without a slash at its end.

    `FRESHET_MAVEN_REPOSITORY` if set, else the mirror that the user's Maven settings
    (`~/.m2/settings.xml`, then `conf/settings.xml` of `MAVEN_HOME`) name for Central, with the user name and
    password that they give for it. None: there is no mirror. The URL may hold a password: show it only
    through :func:`without_credentials`.

    Raises:
        ConfigurationError: The variable is not an HTTP URL, or a settings file is not readable XML.
    """
    if named := os.environ.get("FRESHET_MAVEN_REPOSITORY"):
        if not named.startswith(("https://", "http://")):
            raise ConfigurationError(
                f"FRESHET_MAVEN_REPOSITORY is {without_credentials(named)!r}, not the URL (http, https) of a "
                "repository"
            )
        return named.rstrip("/")
    for file in _settings_files():
        if file.is_file() and (url := mirror_in_settings(file)):
            return url
    return None


def without_credentials(url: str) -> str:
    """The URL without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def mirror_in_settings(file: Path) -> str | None:
    """The mirror of Maven Central that a settings.xml names; None where it names none.

    Raises:
        ConfigurationError: The file is not readable XML.
    """
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ConfigurationError(f"the Maven settings {file} cannot be read: {error}") from None
    for element in root.iter():  # with or without Maven's namespace
        element.tag = element.tag.rpartition("}")[2]
    for mirror in root.iterfind("mirrors/mirror"):
        url = _text(mirror, "url")
        blocked = _text(mirror, "blocked") == "true"
        if (
            url.startswith(("https://", "http://"))
            and not blocked
            and _covers_central(_text(mirror, "mirrorOf"))
        ):
            return _with_credentials(url.rstrip("/"), root, _text(mirror, "id"))
    return None


def _settings_files() -> list[Path]:
    files = []
    # A user may have no home, as in a container.
    with suppress(RuntimeError):
        files.append(Path.home() / ".m2" / "settings.xml")
    for variable in ("MAVEN_HOME", "M2_HOME"):
        if home := os.environ.get(variable):
            files.append(Path(home, "conf", "settings.xml"))
    return files


def _covers_central(mirror_of: str) -> bool:
    """Maven's rules: a comma-separated list of repository ids, `*`, `external:*`, and `!id` to except one."""
    patterns = [pattern.strip() for pattern in mirror_of.split(",")]
    return f"!{_CENTRAL}" not in patterns and not {_CENTRAL, "*", "external:*"}.isdisjoint(patterns)


def _with_credentials(url: str, root: ElementTree.Element, server_id: str) -> str:
    for server in root.iterfind("servers/server"):
        user, password = _text(server, "username"), _text(server, "password")
        # A password in braces is encrypted with Maven's own key, which only Maven can read.
        if _text(server, "id") == server_id and user and not password.startswith("{"):
            parts = urlsplit(url)
            login = f"{quote(user, safe='')}:{quote(password, safe='')}@"
            return urlunsplit(parts._replace(netloc=login + parts.netloc.rpartition("@")[2]))
    return url


def _text(element: ElementTree.Element, name: str) -> str:
    text = (element.findtext(name) or "").strip()
    return re.sub(r"\$\{env\.(\w+)\}", lambda found: os.environ.get(found[1], ""), text)
