"""What the image's files say: whom it runs as, what it takes in, and that the examples give it no more."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streams.settings import load_settings
from tests.container.containerfile import (
    FOLDER,
    REPOSITORY,
    environment,
    instructions,
    last,
    last_stage,
    shipped,
    user_and_group,
)
from workers.roles import ROLES

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = ("console", "llm")
SECRET = re.compile(r"password|secret|token|credential|\bkey\b", re.IGNORECASE)


def copied() -> list[str]:
    """What is copied from the repository."""
    found = [one.words() for one in shipped() if one.name in ("COPY", "ADD")]
    return [source for words in found if not words[0].startswith("--from=") for source in words[:-1]]


def locked(name: str) -> dict[str, str]:
    """The versions in a lock file; each must have a hash."""
    text = (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines)
    return {
        canonicalize_name(name): rest.split()[0] for name, _, rest in (one.partition("==") for one in lines)
    }


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """What the project needs with these extras, as far as it holds on the image's Python."""
    python = next(one for one in shipped() if one.name == "ARG").text.removeprefix("PYTHON_VERSION=")
    listed = PROJECT["project"]["dependencies"] + [
        line for extra in extras for line in PROJECT["project"]["optional-dependencies"][extra]
    ]
    parsed = map(Requirement, listed)
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"python_version": python})]


def test_instructions_are_read_across_lines_and_stages() -> None:
    text = "ARG A=1\nFROM x AS y\n# RUN not\nRUN a \\\n    b\nFROM z\nUSER 7:8\n"
    found = [(one.stage, one.name, one.words()) for one in instructions(text)]
    assert found == [
        (-1, "ARG", ["A=1"]),
        (0, "FROM", ["x", "AS", "y"]),
        (0, "RUN", ["a", "b"]),
        (1, "FROM", ["z"]),
        (1, "USER", ["7:8"]),
    ]


def test_it_runs_as_a_user_without_rights() -> None:
    assert min(user_and_group()) >= 1_000
    names = [one.name for one in last_stage()]
    assert "RUN" not in names[names.index("USER") :]


def test_nothing_is_fetched_from_an_address() -> None:
    assert not [one for one in shipped() if one.name == "ADD"]
    assert not [one for one in shipped() if "://" in one.text]


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    patterns = [
        line
        for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert patterns[0] == "*"
    let_in = [line.removeprefix("!") for line in patterns if line.startswith("!")]
    for source in copied():
        assert (REPOSITORY / source).exists(), source
        assert any(fnmatch.fnmatch(source.split("/")[0], pattern) for pattern in let_in), source


def test_the_wheel_finds_all_that_it_is_made_of() -> None:
    sources = {source.rstrip("/") for source in copied()}
    project = PROJECT["project"]
    assert {*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} <= sources
    assert {"pyproject.toml", project["readme"], *project["license-files"]} <= sources


def test_the_entry_point_is_the_projects() -> None:
    assert last("ENTRYPOINT").words() == ["freshet"]
    assert "freshet" in PROJECT["project"]["scripts"]
    assert environment()["PATH"].startswith("/opt/freshet/bin:")


def test_no_secret_is_in_it() -> None:
    assert not [one for one in shipped() if one.name in ("ENV", "ARG") and SECRET.search(one.text)]


@pytest.mark.parametrize(
    ("file", "requirements"),
    [
        ("requirements.lock", wanted(EXTRAS)),
        ("build.lock", [Requirement(one) for one in PROJECT["build-system"]["requires"]]),
    ],
)
def test_what_is_locked_is_what_the_project_wants(file: str, requirements: list[Requirement]) -> None:
    versions = locked(file)
    for one in requirements:
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), one


def test_compose_runs_every_role_without_rights() -> None:
    services = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))["services"]
    run = [service["command"][1] for service in services.values() if service["command"][0] == "worker"]
    assert sorted(run) == sorted(ROLES)
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service
        assert "ports" not in service


def test_kubernetes_runs_it_without_rights() -> None:
    pod = yaml.safe_load((FOLDER / "kubernetes.yml").read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["args"][1] in ROLES
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_settings_of_the_examples_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))["x-role"]["environment"]
    pod = yaml.safe_load((FOLDER / "kubernetes.yml").read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = compose | {one["name"]: one["value"] for one in container["env"]}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    for name, value in variables.items():
        section, _, field = name.removeprefix("FRESHET_").lower().partition("__")
        assert str(getattr(getattr(settings, section), field)) == value
    assert settings.worker.metrics_port == container["ports"][0]["containerPort"]
    grace_s = pod["terminationGracePeriodSeconds"]
    assert grace_s > settings.worker.shutdown_timeout_s + 5
