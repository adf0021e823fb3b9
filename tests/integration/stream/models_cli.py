"""`freshet models …` as a person calls it, beside a stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.integration.stream.bench import REPOSITORY, Stream


def models_cli(stream: Stream, *arguments: str, ok: bool = True, timeout_s: float = 300.0) -> Any:
    """What it says as JSON."""
    environment = os.environ | {
        f"FRESHET_{section.upper()}": json.dumps(values, default=str)
        for section, values in stream.sections.items()
    }
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "models", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=stream.logs,
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        timeout=timeout_s,
    )
    assert (done.returncode == 0) == ok, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)
