"""How long the first view takes: ``python -m tests.browser.first_view``. For the guide's measurements."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.chromium import CHROMIUM_FLAGS, chromium_path
from tests.browser.showcase import showcase

ROUNDS = 9
NOTE_LIST = """new MutationObserver(() => {
    if (document.querySelector('.row-item')) window.listAt ??= performance.now();
}).observe(document, { childList: true, subtree: true });"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def look(browser: Any, url: str) -> tuple[float, float]:
    """When something and when the list was on screen, in milliseconds, the cache empty, as a stranger."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(NOTE_LIST)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".row-item")
    page.wait_for_timeout(500)
    times = page.evaluate(FIRST_PAINT), page.evaluate("window.listAt")
    context.close()
    return times


def main() -> None:
    """Look several times."""
    with showcase() as running, sync_playwright() as started:
        running.act(6.0, think_s=1.0)
        browser = started.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        for _ in range(ROUNDS):
            paint_ms, list_ms = look(browser, running.url)
            print(f"something after {paint_ms:.0f} ms, the list after {list_ms:.0f} ms", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
