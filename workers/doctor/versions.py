"""Python and the libraries, against what the package asks for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from workers.doctor.check import Check

AREA = "versions"


def check_versions(
    requirements: Sequence[str] | None = None, version_of: Callable[[str], str] = metadata.version
) -> Iterator[Check]:
    """Compare what is installed with what Freshet was made for.

    Args:
        requirements: As in the package's metadata, which is read where this is None.
        version_of: The installed version of a distribution; raises PackageNotFoundError.
    """
    if requirements is None:
        try:
            requirements = metadata.requires("freshet") or []
        except metadata.PackageNotFoundError:
            yield Check(
                AREA, "warn", "freshet is not installed as a package", "run `pip install -e .` in its folder"
            )
            return
    right: list[str] = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = version_of(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(AREA, "fail", f"{requirement.name} is missing", f"run `pip install '{text}'`")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            right.append(f"{requirement.name} {version}")
        else:
            yield Check(
                AREA,
                "fail",
                f"{requirement.name} is {version}, Freshet needs {requirement.specifier}",
                f"run `pip install '{requirement.name}{requirement.specifier}'`",
            )
    yield Check(AREA, "ok", f"Python {platform.python_version()}, " + ", ".join(right))
