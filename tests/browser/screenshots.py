"""Makes the pictures of the guide: ``python -m tests.browser.screenshots docs/guide/console``.

Starts the demo's catalogue and people, and takes each view of the console in Chromium, as WebP.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from deploy.demo.catalogue import CATALOGUE_FOLDER
from tests.browser.chromium import CHROMIUM_FLAGS, chromium_path
from tests.browser.showcase import Showcase, showcase

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def act(page: Any) -> None:
    """Like and click a few things to one taste, so that the list shows what it is made of."""
    page.fill("#who", "mira")
    page.keyboard.press("Enter")
    page.wait_for_selector(".row-item")
    for words, action in (("hat", "like"), ("fire", "like"), ("long-sleeve", "click"), ("shoes", "skip")):
        page.fill("#search", words)
        page.wait_for_timeout(900)
        page.locator(f".shelf .act-{action}").first.click()
        page.wait_for_timeout(900)
    page.fill("#search", "")
    page.wait_for_timeout(2_500)
    page.evaluate("document.activeElement.blur()")


def upload(page: Any) -> None:
    """The demo's own picture and sound as a new item, and with each modality withheld."""
    media = CATALOGUE_FOLDER / "media"
    page.fill("#title", "Boots for the rain")
    page.fill("#description", "For puddles and long walks.")
    page.fill("#category", "shoes")
    page.set_input_files("#file-image", str(min(media.glob("shoes-*.jpg"))))
    page.set_input_files("#file-audio", str(min(media.glob("rain-*.ogg"))))
    page.check("#variants")
    page.locator("form.upload button[type=submit]").click()
    page.locator(".step.recommendable").nth(3).wait_for()
    page.wait_for_timeout(2_000)
    page.evaluate("document.activeElement.blur()")


def wander(page: Any) -> None:
    """Go over the map with the keys and like something, so that the person moves."""
    page.locator(".map-legend li").first.wait_for()
    page.wait_for_timeout(1_000)
    page.locator("canvas").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
    page.wait_for_timeout(2_500)


def take(page: Any, running: Showcase, folder: Path, view: str, suffix: str = "") -> None:
    """Go to a view, let it live a little, and keep what it looks like."""
    page.goto(f"{running.url}#{view}")
    page.wait_for_selector("main h1")
    if view == "try":
        act(page)
    elif view == "items":
        upload(page)
    elif view == "map":
        wander(page)
    else:
        running.act(14.0, think_s=1.2)
        page.wait_for_timeout(1_000)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = folder / f"{view}{suffix}.webp"
    image.save(path, "WEBP", quality=80, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes")


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with showcase(flags={"console": {"port": 0, "refresh_s": 1.0}}) as running, sync_playwright() as started:
        running.act(20.0, think_s=1.2)
        browser = started.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        for view in ("try", "flow", "map", "items", "quality"):
            page = browser.new_context(viewport=DESKTOP).new_page()
            take(page, running, folder, view)
            page.context.close()
        dark = browser.new_context(viewport=DESKTOP, color_scheme="dark").new_page()
        take(dark, running, folder, "try", "-dark")
        phone = browser.new_context(viewport=PHONE, device_scale_factor=2, has_touch=True).new_page()
        take(phone, running, folder, "try", "-phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
