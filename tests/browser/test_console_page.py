"""The page in a real browser: what a person does in each view, with keys alone, and what axe finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.demo.catalogue import CATALOGUE_FOLDER
from streams.messages import Item
from streams.records import Outgoing
from tests.browser.showcase import Showcase
from workers.bench.rows import row, write_rows
from workers.flags import environment_of, flag

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
# Its assertions wait until they hold: the page goes on changing after the key, the click, the message.
expect: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

# Only so that a test does not hang: a busy machine may take long.
PATIENCE_S = 60.0
expect.set_options(timeout=1_000 * PATIENCE_S)

TOKEN = "a-token-of-enough-letters"
VIEWS = ("try", "flow", "map", "items", "quality")
FIRST_VIEW_BYTES = 300_000
TRANSFERRED = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, one) => sum + one.transferSize, 0)"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def new_context(browser: Any, **options: Any) -> Any:
    context = browser.new_context(**options)
    context.set_default_timeout(1_000 * PATIENCE_S)
    return context


@pytest.fixture
def page(browser: Any, running: Showcase) -> Iterator[Any]:
    """A page that may ask nobody but the console, and whose errors fail the test."""
    context = new_context(browser, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    problems: list[str] = []
    own = urlsplit(running.url).netloc

    def note_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != own:
            problems.append(f"asked {request.url}")

    opened.on("request", note_request)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    # What the content security policy refuses is written there.
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert problems == []


def until(page: Any, expression: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until an expression holds. Playwright's own way evaluates text in the page, which it forbids."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def become(page: Any, running: Showcase, user: str) -> None:
    page.goto(f"{running.url}#try")
    page.fill("#who", user)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text=For {user}")
    page.wait_for_selector(".row-item")


def test_a_like_moves_the_list_and_tells_how_long_it_took(page: Any, running: Showcase) -> None:
    become(page, running, "browser-one")
    expect(page.locator(".shelf .good")).to_have_count(24)
    page.fill("#search", "rain")
    until(page, "((found) => found > 0 && found < 24)(document.querySelectorAll('.shelf .good').length)")
    page.locator(".shelf .act-like").first.click()
    until(page, "/\\d ms$|\\d s$/.test(document.querySelector('.figure').textContent)")
    page.wait_for_selector(".past b:text('liked')")
    page.wait_for_selector(".words:text-matches('rain|liked', 'i')")
    bars = page.locator(".reasons")
    expect(page.locator(".row-item")).to_have_count(12)
    expect(bars).to_have_count(12)
    expect(bars.first).to_have_attribute("aria-label", re.compile("your taste"))
    until(page, "document.querySelector('#announce').textContent.startsWith('List updated')")


def test_a_list_that_is_faster_than_the_answer_to_its_event_is_told_all_the_same(
    page: Any, running: Showcase
) -> None:
    become(page, running, "browser-overtaken")

    def answer_late(route: Any) -> None:
        answer = route.fetch()
        time.sleep(1.0)
        route.fulfill(response=answer)

    page.route("**/api/events", answer_late)
    page.locator(".shelf .act-like").first.click()
    until(page, "document.querySelector('#announce').textContent.startsWith('List updated')")
    until(page, "document.querySelector('.person-latency').textContent.includes('after you liked')")


def first_titles(page: Any, count: int = 5) -> str:
    return " ".join(page.locator(".row-title > span:first-child").all_inner_texts()[:count]).lower()


def test_a_stranger_asks_in_words_and_goes_back(page: Any, running: Showcase) -> None:
    become(page, running, "browser-never-seen")
    own = first_titles(page, 12)
    page.get_by_label("Ask in words").fill("a barking dog, no shoes")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-note:text('negations are not understood')")
    expect(page.locator("#ask-note")).to_have_attribute("aria-live", "polite")
    assert "dog" in first_titles(page)
    of_words = re.compile("your words")
    expect(page.locator(".reasons").first).to_have_attribute("aria-label", of_words)
    # An act moves the person, not the answer to their question: that is asked for again.
    page.locator(".row-item .act-like").first.click()
    until(page, "document.querySelector('.figure').textContent !== '–'")
    page.wait_for_timeout(1_500)
    expect(page.locator(".reasons").first).to_have_attribute("aria-label", of_words)
    page.get_by_label("Ask in words").fill("")
    until(page, "!document.querySelector('.reasons').getAttribute('aria-label').includes('your words')")
    expect(page.locator("#ask-note")).to_have_text("")
    assert first_titles(page, 12) != own


def test_it_is_usable_with_keys_alone(page: Any, running: Showcase) -> None:
    page.goto(running.url)
    page.wait_for_selector(".row-item")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.action") == "like":
            break
    item = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert item.startswith("Like ")
    page.keyboard.press("Enter")
    page.wait_for_selector(".past b:text('liked')")
    until(page, "document.querySelector('.figure').textContent !== '–'")


def test_the_answer_to_an_older_search_does_not_replace_that_to_a_newer(page: Any, running: Showcase) -> None:
    become(page, running, "browser-searching")
    expect(page.locator(".shelf .good")).to_have_count(24)
    held: list[Any] = []
    page.route("**/api/items?words=dress&**", lambda route: held.append(route))
    with page.expect_request("**/api/items?words=dress&**"):
        page.fill("#search", "dress")
    page.fill("#search", "rooster")
    until(page, "((found) => found > 0 && found < 24)(document.querySelectorAll('.shelf .good').length)")
    newer = page.locator(".shelf .good-title").all_inner_texts()
    with page.expect_response("**/api/items?words=dress&**"):
        held[0].continue_()
    page.wait_for_timeout(300)
    assert page.locator(".shelf .good-title").all_inner_texts() == newer


def test_what_people_wrote_is_shown_as_text(page: Any, running: Showcase) -> None:
    running.client.publish_items([Item(item_id="hostile", title=HOSTILE, description=HOSTILE)])
    page.goto(f"{running.url}#try")
    page.wait_for_selector(".row-item")
    # The shelf is searched once, when the words are typed: by then the console is to have read the item.
    until(page, "fetch('/api/items?words=hostile').then((got) => got.json()).then((got) => got.total === 1)")
    page.fill("#search", "hostile")
    expect(page.locator(".shelf .good")).to_have_count(1)
    expect(page.locator(".shelf .good-title")).to_have_text(HOSTILE)
    expect(page.locator(".shelf img[src='x']")).to_have_count(0)
    expect(page).to_have_title("Try it · Freshet")


def test_the_flow_lives_and_a_dead_letter_opens_and_is_replayed(page: Any, running: Showcase) -> None:
    topic = f"{running.deployment.settings.topics.prefix}events"
    page.goto(f"{running.url}#flow")
    page.wait_for_selector("text=10 of 10 workers answer")
    running.client.publish([Outgoing(topic=topic, key=b"eve", value=HOSTILE.encode())])
    page.wait_for_selector(".letters >> text=malformed")
    page.locator(".letters button").first.click()
    expect(page.locator("dialog pre")).to_have_text(HOSTILE)
    page.get_by_role("button", name="Replay").click()
    page.wait_for_selector("dialog >> text=Published again where it came from.")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("tbody >> text=works")).to_have_count(10)


def test_the_map_has_every_item_and_the_person_moves(page: Any, running: Showcase) -> None:
    become(page, running, "browser-two")
    page.goto(f"{running.url}#map")
    page.wait_for_selector("text=/\\d+ items; the two axes explain/")
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".map-card")
    liked = page.locator(".map-card .good-title").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".near .near-title").first).to_contain_text(liked)
    page.wait_for_selector(".plot circle")


def test_an_upload_becomes_recommendable_with_and_without_each_modality(page: Any, running: Showcase) -> None:
    media = CATALOGUE_FOLDER / "media"
    page.goto(f"{running.url}#items")
    # The steps are told as they happen, to those who are connected by then.
    expect(page.locator("#live-text")).to_have_text("live")
    page.fill("#title", "Boots for the rain")
    page.set_input_files("#file-image", str(min(media.glob("shoes-*.jpg"))))
    page.set_input_files("#file-audio", str(min(media.glob("rain-*.ogg"))))
    page.check("#variants")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator(".step.recommendable")).to_have_count(4)
    expect(page.locator(".near-row")).to_have_count(4)
    expect(page.locator(".journey h3").first).to_have_text("Boots for the rain")
    assert page.locator(".step.failed").count() == 0


def test_the_quality_of_lists_is_shown(page: Any, running: Showcase) -> None:
    running.act(3.0, think_s=1.0)
    page.goto(f"{running.url}#quality")
    page.wait_for_selector("tbody >> text=/cascade/")
    expect(page.locator(".interval").first).to_be_visible()


def test_evaluation_reports_are_tables_or_say_how_to_make_one(page: Any, running: Showcase) -> None:
    folder = running.deployment.settings.console.reports
    assert folder is not None
    page.goto(f"{running.url}#quality")
    page.wait_for_selector(".reports >> text=freshet evaluate prequential")
    rows = [row("lists <b>a second</b>", 4_321.0, "1/s", 2_000.0, {"items": 10_000})]
    write_rows(rows, folder / "speed.json")
    page.get_by_role("button", name="Read again").click()
    page.wait_for_selector(".report td:text('4,321')")
    expect(page.locator(".report td").first).to_have_text("lists <b>a second</b>")


@pytest.fixture
def guarded(running: Showcase, tmp_path: Path) -> Iterator[str]:
    """The address of a second console on the same Kafka that asks for a token; the token stands in it."""
    flags = flag("console.token", TOKEN)
    kafka = running.deployment.settings.kafka.bootstrap_servers
    command = [sys.executable, "-m", "workers.cli", "console", "--port", "0", "--bootstrap-servers", kafka]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | environment_of(flags) | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_the_token_is_taken_from_the_address_or_asked_for(browser: Any, guarded: str) -> None:
    assert guarded.endswith(f"#token={TOKEN}")
    context = new_context(browser)
    page = context.new_page()
    page.goto(guarded)
    page.wait_for_selector(".row-item")
    assert TOKEN not in page.url
    assert TOKEN not in page.evaluate(
        "document.cookie + JSON.stringify({...sessionStorage, ...localStorage})"
    )
    context.close()

    context = new_context(browser)
    page = context.new_page()
    page.goto(guarded.partition("#")[0])
    page.fill("dialog input", "a wrong token, a wrong one")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog >> text=That is not the token.")
    page.fill("dialog input", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector(".row-item")
    expect(page.locator("dialog")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(browser: Any, running: Showcase, view: str, scheme: str) -> None:
    context = new_context(browser, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{running.url}#{view}")
    page.wait_for_selector("main h1")
    ready = {
        "try": ".row-item",
        "flow": "tbody >> text=works",
        "map": ".map-legend li",
        "quality": ".interval",
    }
    if view in ready:
        page.wait_for_selector(ready[view])
    found = axe.Axe().run(page).response["violations"]
    context.close()
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(browser: Any, running: Showcase, view: str) -> None:
    context = new_context(browser, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{running.url}#{view}")
    page.wait_for_selector("main h1")
    page.wait_for_timeout(1_500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_the_first_view_is_small(browser: Any, running: Showcase) -> None:
    context = new_context(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(running.url)
    page.wait_for_selector(".row-item")
    page.wait_for_load_state("load")
    page.wait_for_timeout(1_000)
    received = page.evaluate(TRANSFERRED)
    context.close()
    assert 20_000 < received < FIRST_VIEW_BYTES


def test_screens_of_the_guide_are_small() -> None:
    folder = Path(__file__).parents[2] / "docs" / "guide" / "console"
    screens = sorted(path.name for path in folder.glob("*.webp"))
    assert {name.partition("-")[0].removesuffix(".webp") for name in screens} >= set(VIEWS)
    assert all((folder / name).stat().st_size < 150_000 for name in screens)
