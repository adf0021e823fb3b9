"""`python -m tests.dependencies.audit`: has what is installed, or the image, known vulnerabilities?

pip-audit asks a service of advisories on the internet. Where none answers, nothing is known, which this says
in one line; it is a failure only with `--must-be-answered`, as before a release.
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
SERVICES: Final = ("pypi", "osv")
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

    A package that the service does not know was not audited. Where it knows none, it is no such service.
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
        return Verdict.UNANSWERED, "no service of advisories can be reached"
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


def audit(
    arguments: Sequence[str],
    deadline_s: float,
    services: Sequence[Sequence[str]] = [("-s", one) for one in SERVICES],
) -> tuple[Verdict, str]:
    """Ask one service after another until one knows; ``deadline_s`` on the monotonic clock."""
    verdict = judged(None)
    for service in services:
        if time.monotonic() < deadline_s and verdict[0] is Verdict.UNANSWERED:
            verdict = judged(asked([*arguments, *service], deadline_s - time.monotonic()))
    return verdict


def main(arguments: Sequence[str]) -> int:
    """Audit all; the exit status."""
    deadline_s = time.monotonic() + TIME_S
    refused = {Verdict.VULNERABLE} | ({Verdict.UNANSWERED} if "--must-be-answered" in arguments else set())
    verdicts = set()
    for name, what in WHAT.items():
        verdict, why = audit(what, deadline_s)
        verdicts.add(verdict)
        print(f"{'NOT AUDITED' if verdict is Verdict.UNANSWERED else verdict.value}: {name}: {why}")
    return 1 if verdicts & refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
