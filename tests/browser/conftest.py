"""A real Chromium, where there is one, against the console on a real stack."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.browser.showcase import Showcase, showcase

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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
    """Named in FRESHET_TEST_CHROMIUM, or on the PATH."""
    named = os.environ.get("FRESHET_TEST_CHROMIUM")
    return (
        named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[playwright.Browser]:
    """Chromium; tests are skipped where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or name one in FRESHET_TEST_CHROMIUM")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def running(browser: playwright.Browser) -> Iterator[Showcase]:
    """The demo's catalogue and people who have acted a little."""
    with showcase(flags={"console": {"port": 0, "refresh_s": 1.0}}) as made:
        made.act(6.0, think_s=1.0)
        yield made
