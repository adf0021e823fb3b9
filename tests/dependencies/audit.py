"""`python -m tests.dependencies.audit`: has what is installed, or the image, known vulnerabilities?

pip-audit asks a service of advisories on the internet: the first that finds what `control.txt` is known to
have. Where there is none, nothing is known, which this says in a line; it is a failure only with
`--must-be-answered`, as before a release.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SERVICES: Final[Sequence[Sequence[str]]] = (("-s", "osv"), ("-s", "pypi"))
CONTROL: Final = ("--requirement", str(Path(__file__).with_name("control.txt")), "--no-deps", "--disable-pip")
TIME_S: Final = 60.0
"""For all of it."""

IGNORED: Final[Mapping[str, str]] = {}
"""Id of an advisory → why it does not hold here."""

WHAT: Final[Mapping[str, Sequence[str]]] = {
    "this environment": ("--local", "--skip-editable"),
    "the image": (
        *("--requirement", str(REPOSITORY / "deploy" / "container" / "requirements.lock")),
        *("--no-deps", "--disable-pip"),
    ),
}


class Verdict(Enum):
    """What an audit found."""

    CLEAN = "clean"
    VULNERABLE = "vulnerable"
    UNANSWERED = "unanswered"


def judged(report: Mapping[str, Any] | None, ignored: Mapping[str, str] = IGNORED) -> tuple[Verdict, str]:
    """The verdict on pip-audit's report, and in words why. None: there is no report.

    A package that the service does not know was not audited.
    """
    packages = report["dependencies"] if report is not None else []
    found = [
        f"{one['name']} {one['version']} has {known['id']}, mended in {known['fix_versions'] or 'no version'}"
        for one in packages
        for known in one.get("vulns", ())
        if not ignored.keys() & {known["id"], *known.get("aliases", ())}
    ]
    if found:
        return Verdict.VULNERABLE, "; ".join(found)
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    audited = len(packages) - len(unknown)
    if not audited:
        return Verdict.UNANSWERED, "pip-audit fails, takes too long or is told of none of the packages"
    but = f"; not known to it: {', '.join(unknown)}" if unknown else ""
    return Verdict.CLEAN, f"{audited} packages without a known vulnerability{but}"


def asked(arguments: Sequence[str], timeout_s: float) -> Mapping[str, Any] | None:
    """pip-audit's report; None where it has none within the time."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--timeout",
        "5",
    ]
    try:
        ran = subprocess.run(
            [*command, *arguments], capture_output=True, timeout=max(1.0, timeout_s), check=False
        )
        report: Mapping[str, Any] = json.loads(ran.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report


def answering(deadline_s: float, services: Sequence[Sequence[str]] = SERVICES) -> Sequence[str] | None:
    """The first service that is to be believed; None where there is none."""
    for service in services:
        report = asked([*CONTROL, *service], deadline_s - time.monotonic())
        if judged(report, {})[0] is Verdict.VULNERABLE:
            return service
    return None


def audit(what: Sequence[str], service: Sequence[str] | None, deadline_s: float) -> tuple[Verdict, str]:
    """The verdict on some packages, and why; ``deadline_s`` on the monotonic clock."""
    if service is None:
        return Verdict.UNANSWERED, "no service of advisories answers"
    return judged(asked([*what, *service], deadline_s - time.monotonic()))


def main(arguments: Sequence[str]) -> int:
    """Audit all; the exit status."""
    deadline_s = time.monotonic() + TIME_S
    refused = {Verdict.VULNERABLE} | ({Verdict.UNANSWERED} if "--must-be-answered" in arguments else set())
    service = answering(deadline_s)
    status = 0
    for name, what in WHAT.items():
        verdict, why = audit(what, service, deadline_s)
        print(f"{'NOT AUDITED' if verdict is Verdict.UNANSWERED else verdict.value}: {name}: {why}")
        status |= verdict in refused
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
