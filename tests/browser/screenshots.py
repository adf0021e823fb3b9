"""Makes the pictures of the guide: ``python -m tests.browser.screenshots docs/guide/console [VIEW…]``.

Starts the demo's catalogue and people, and takes each view of the console in Chromium, as WebP.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from deploy.demo.catalogue import CATALOGUE_FOLDER
from tests.browser.chromium import CHROMIUM_FLAGS, chromium_path
from tests.browser.showcase import Showcase, showcase

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
}
# Name of the picture: the view, and how it is looked at.
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    **{view: (view, DESKTOP) for view in ("try", "flow", "map", "items", "quality")},
    "try-dark": ("try", {**DESKTOP, "color_scheme": "dark"}),
    "try-phone": ("try", PHONE),
    "try-asked": ("try", DESKTOP),
}


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
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


def ask(page: Any) -> None:
    """Ask in words, as somebody who has done nothing yet."""
    page.get_by_label("Ask in words").fill("a barking dog, no shoes")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-note:text('items for')")
    page.wait_for_timeout(3_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(500)


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


def evaluate(running: Showcase) -> None:
    """Replay what people have done so far, for a report to show."""
    settings = running.deployment.settings
    assert settings.console.reports is not None
    command = [sys.executable, "-m", "workers.cli", "evaluate", "prequential", "--from-topics", "--json"]
    named = {"FRESHET_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    subprocess.run([*command, str(settings.console.reports / "log.json")], env=os.environ | named, check=True)


def take(page: Any, running: Showcase, folder: Path, view: str, suffix: str = "") -> None:
    """Go to a view, let it live a little, and keep what it looks like."""
    page.goto(f"{running.url}#{view}")
    page.wait_for_selector("main h1")
    if suffix == "-asked":
        ask(page)
    elif view == "try":
        act(page)
    elif view == "items":
        upload(page)
    elif view == "map":
        wander(page)
    else:
        running.act(14.0, think_s=5.0)
        page.wait_for_timeout(1_000)
    image = Image.open(io.BytesIO(page.screenshot(full_page=view == "quality"))).convert("RGB")
    path = folder / f"{view}{suffix}.webp"
    image.save(path, "WEBP", quality=80, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes")


def main(folder: Path, wanted: list[str]) -> None:
    """Take those that are wanted, or all."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as reports,
        showcase(flags={"console": {"port": 0, "refresh_s": 1.0, "reports": reports}}) as running,
        sync_playwright() as started,
    ):
        running.act(20.0, think_s=2.0)
        if not wanted or "quality" in wanted:
            evaluate(running)
        browser = started.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        for name in wanted or PICTURES:
            view, options = PICTURES[name]
            page = browser.new_context(**options).new_page()
            take(page, running, folder, view, name.removeprefix(view))
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
