"""`python -m tests.faults.role_process ROLE`: `freshet worker ROLE`, with a switchboard.

The clock is replaced where Python reads it (`time.time`, and the workers' own `utc_now`), before the modules
that use it are imported. `time.monotonic` stays: it does not jump on a real machine either.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.switchboard import ENVIRONMENT, Switchboard


def install(switchboard: Switchboard) -> None:
    """Put the switches between the worker and what they switch."""
    true_time = time.time

    def shifted() -> float:
        offset_s = switchboard.clock_offset_s
        if offset_s:
            switchboard.count_clock_read()
        return true_time() + offset_s

    time.time = shifted

    from workers.wiring import around

    around.utc_now = lambda: datetime.fromtimestamp(shifted(), UTC)

    import onnxruntime

    true_run = onnxruntime.InferenceSession.run

    def run(session: Any, *arguments: Any, **options: Any) -> Any:
        if switchboard.models_fail:
            switchboard.count_model_failure()
            raise RuntimeError("made to fail by a test")
        return true_run(session, *arguments, **options)

    onnxruntime.InferenceSession.run = run


if __name__ == "__main__":
    install(Switchboard(Path(os.environ[ENVIRONMENT])))
    from workers.cli import main

    sys.argv = ["freshet", "worker", *sys.argv[1:]]
    main()
