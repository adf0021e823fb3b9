"""Who may call the console: names, tokens, origins and sizes, asked over HTTP without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from streams.errors import ConfigurationError
from streams.settings import Settings, load_settings
from tests.unit.console.parts import OfflineConsole
from workers.console.app import PAGE_FOLDER, console_app
from workers.console.guard import MAX_BODY_BYTES, Access
from workers.console.serve import address, listen, token_for

HOST = "127.0.0.1:8787"
ORIGIN = {"Origin": f"http://{HOST}"}
TOKEN = "a-token-of-enough-letters"
ACT = {"user_id": "anna", "item_id": "boots", "action": "click"}


def client(access: Access, settings: Settings | None = None) -> tuple[TestClient, OfflineConsole]:
    console = OfflineConsole(settings or Settings())
    return TestClient(console_app(console, access), base_url=f"http://{HOST}"), console


@pytest.fixture
def local() -> Iterator[tuple[TestClient, OfflineConsole]]:
    asked, console = client(Access("127.0.0.1", (), None))
    with asked:
        yield asked, console


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    local: tuple[TestClient, OfflineConsole],
) -> None:
    answer = local[0].get("/")
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "script-src" not in policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", answer.text)


@pytest.mark.parametrize("path", sorted(PAGE_FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_of_the_page_names_another_host_or_makes_markup_of_text(path: Path) -> None:
    text = path.read_text()
    addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)) - {"http://www.w3.org"}
    assert addresses == set()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in PAGE_FOLDER.iterdir()) < 150_000


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "", "[::2]:8787"]
)
def test_another_name_for_this_machine_is_refused(
    local: tuple[TestClient, OfflineConsole], host: str
) -> None:
    for path in ("/", "/api/state", "/assets/app.js"):
        assert local[0].get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:8787", "[::1]:8787", "LOCALHOST"])
def test_loopback_has_several_names(local: tuple[TestClient, OfflineConsole], host: str) -> None:
    assert local[0].get("/api/state", headers={"Host": host}).status_code == 200


def test_beyond_loopback_addresses_and_named_hosts_are_let_in() -> None:
    asked, _ = client(Access("0.0.0.0", ("shop.example",), TOKEN))
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for host, status in (("10.1.2.3:8787", 200), ("shop.example:8787", 200), ("evil.example", 421)):
        assert asked.get("/api/state", headers={"Host": host, **bearer}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://{HOST}.evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {**ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {**ORIGIN, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_only_the_own_page_may_change_something(
    local: tuple[TestClient, OfflineConsole], headers: dict[str, str]
) -> None:
    asked, console = local
    for path in ("/api/events", "/api/requests", "/api/items", "/api/dead-letters/0/replay"):
        assert asked.post(path, json=ACT, headers=headers).status_code == 403
    assert console.published.events == []


def test_the_own_page_may(local: tuple[TestClient, OfflineConsole]) -> None:
    asked, console = local
    answer = asked.post("/api/events", json=ACT, headers=ORIGIN)
    assert answer.status_code == 200
    (event,) = console.published.events
    assert (event.user_id, event.item_id, event.action) == ("anna", "boots", "click")
    assert answer.json() == {"event_id": event.event_id}


def test_a_form_of_another_kind_is_refused(local: tuple[TestClient, OfflineConsole]) -> None:
    answer = local[0].post("/api/events", content=b"{}", headers={**ORIGIN, "Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_a_body_is_bounded_whether_its_length_is_told_or_not(
    local: tuple[TestClient, OfflineConsole],
) -> None:
    headers = {**ORIGIN, "Content-Type": "application/json"}
    long = b" " * (MAX_BODY_BYTES + 1)
    assert local[0].post("/api/items", content=long, headers=headers).status_code == 413
    chunks = (long[: 1 << 20] for _ in range(9))
    assert local[0].post("/api/items", content=chunks, headers=headers).status_code == 413


def test_with_a_token_everything_but_the_page_itself_needs_it() -> None:
    asked, console = client(Access("127.0.0.1", (), TOKEN))
    assert asked.get("/").status_code == 200
    assert asked.get("/assets/app.js").status_code == 200
    for path in ("/api/state", "/api/items", "/api/map", "/media?item=a&n=0&v=1", "/api/stream"):
        assert asked.get(path).status_code == 401
        assert asked.get(path, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert asked.post("/api/events", json=ACT, headers=ORIGIN).status_code == 401
    assert console.published.events == []
    assert asked.get("/api/state", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_is_changed_for_a_cookie_that_no_script_sees() -> None:
    asked, _ = client(Access("127.0.0.1", (), TOKEN))
    assert asked.post("/api/session", json={"token": "wrong"}, headers=ORIGIN).status_code == 401
    assert asked.get("/api/state").status_code == 401
    answer = asked.post("/api/session", json={"token": TOKEN}, headers=ORIGIN)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert asked.get("/api/state").status_code == 200
    other, _ = client(Access("127.0.0.1", (), TOKEN))
    other.cookies = asked.cookies
    assert other.get("/api/state").status_code == 401


def test_by_default_it_listens_on_loopback_alone() -> None:
    with listen(load_settings(console={"port": 0}).console) as served:
        assert served.getsockname()[0] == "127.0.0.1"


def test_beyond_loopback_there_is_always_a_token() -> None:
    assert token_for(Settings().console) is None
    exposed = load_settings(console={"host": "0.0.0.0"}).console
    token = token_for(exposed)
    assert token is not None
    assert len(token) >= 24
    assert token != token_for(exposed)
    assert address(exposed, 8787, token) == f"http://127.0.0.1:8787/#token={token}"
    with pytest.raises(ConfigurationError, match=r"console\.token"):
        load_settings(console={"token": "short"})
