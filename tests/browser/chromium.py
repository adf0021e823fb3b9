"""Where Chromium is, and how it is started."""

from __future__ import annotations

import os
import shutil

# Beyond the first two: it looks up nothing on its own.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    """Named in FRESHET_TEST_CHROMIUM, or on the PATH; None where there is none."""
    named = os.environ.get("FRESHET_TEST_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next(filter(None, map(shutil.which, names)), None)
