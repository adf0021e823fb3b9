"""A real Chromium, where there is one, against the console on a real stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import CHROMIUM_FLAGS, chromium_path
from tests.browser.showcase import Showcase, showcase


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; tests are skipped where there is none.

    It ends with the module: as long as Playwright runs, no other event loop does in this thread.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or name one in FRESHET_TEST_CHROMIUM")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def running(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    """The demo's catalogue and people who have acted a little."""
    reports = str(tmp_path_factory.mktemp("reports"))
    with showcase(flags={"console": {"port": 0, "refresh_s": 1.0, "reports": reports}}) as made:
        made.act(6.0, think_s=1.0)
        yield made
