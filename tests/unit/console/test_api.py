"""What the page asks of the console; bad input is answered with what was wrong, and nothing is published."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from streams.messages import Cause, Item, Media, Recommendation
from streams.settings import load_settings
from tests.unit.console.parts import OfflineConsole, record
from workers.console import api, slot_response
from workers.console.app import console_app
from workers.console.event_stream import EventStream
from workers.console.guard import Access
from workers.console.hub import user_channel
from workers.console.media_bytes import media_response
from workers.console.slot_response import SlotResponse

HOST = "127.0.0.1:8787"
ORIGIN = {"Origin": f"http://{HOST}"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
_ELSEWHERE = Media(kind="image", uri="file:///etc/passwd")


@pytest.fixture
def console() -> OfflineConsole:
    return OfflineConsole(load_settings(console={"max_streams": 2, "catalogue_items": 3}))


@pytest.fixture
def asked(console: OfflineConsole) -> Iterator[TestClient]:
    app = console_app(console, Access("127.0.0.1", (), None))
    with TestClient(app, base_url=f"http://{HOST}") as client:
        yield client


def inline(data: bytes, kind: str = "image") -> Media:
    return Media(kind=kind, data=base64.b64encode(data).decode())  # type: ignore[arg-type]


def hold(console: OfflineConsole, *items: Item) -> None:
    console.catalogue.take([record(item.item_id, item, offset) for offset, item in enumerate(items)])


def media_url(asked: TestClient, item_id: str) -> str:
    return str(asked.get("/api/items", params={"id": item_id}).json()["items"][0]["media"][0]["url"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/events", {"user_id": "", "item_id": "a", "action": "click"}),
        ("/api/events", {"user_id": "a" * 257, "item_id": "a", "action": "click"}),
        ("/api/events", {"user_id": "a", "item_id": "a", "action": "hack"}),
        ("/api/events", {"user_id": "a", "item_id": "a", "action": "click", "more": 1}),
        ("/api/events", {"user_id": ["a"], "item_id": "a", "action": "click"}),
        ("/api/events", []),
        ("/api/requests", {"user_id": "a", "count": 51}),
        ("/api/items", {"item_id": "a", "media": [{"kind": "image", "data": "not base64!"}]}),
        ("/api/items", {"item_id": "a", "media": [{"kind": "program", "data": ""}]}),
        ("/api/items", {"item_id": "a", "title": "t" * 501}),
        ("/api/session", {"token": 1}),
    ],
)
def test_bad_input_is_answered_and_published_nowhere(
    asked: TestClient, console: OfflineConsole, path: str, body: Any
) -> None:
    answer = asked.post(path, json=body, headers=ORIGIN)
    assert answer.status_code == 400
    assert answer.json()["error"]
    published = console.published
    assert (published.events, published.requests, published.items) == ([], [], [])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_answered(asked: TestClient, body: bytes) -> None:
    headers = {**ORIGIN, "Content-Type": "application/json"}
    assert asked.post("/api/events", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/api/items?offset=-1", "/api/items?count=x", "/api/items?offset=9999999999", "/api/person",
     f"/api/person?user={'u' * 300}", "/media", "/media?item=a&n=one&v=1", "/api/near?item="],
)  # fmt: skip
def test_bad_questions_are_answered(asked: TestClient, path: str) -> None:
    assert asked.get(path).status_code == 400


def test_an_upload_is_published_as_an_item(asked: TestClient, console: OfflineConsole) -> None:
    picture = base64.b64encode(PNG).decode()
    body = {
        "item_id": "new",
        "title": "New",
        "category": "shoes",
        "media": [{"kind": "image", "data": picture}],
    }
    assert asked.post("/api/items", json=body, headers=ORIGIN).status_code == 200
    (item,) = console.published.items
    assert (item.title, item.attributes, item.media[0].data) == ("New", {"category": "shoes"}, picture)


def test_an_upload_larger_than_a_message_takes_is_refused(console: OfflineConsole) -> None:
    small = OfflineConsole(load_settings(media={"inline_max_bytes": 10}))
    asked = TestClient(console_app(small, Access("127.0.0.1", (), None)), base_url=f"http://{HOST}")
    body = {"item_id": "new", "media": [{"kind": "image", "data": base64.b64encode(PNG).decode()}]}
    assert "28 bytes" in asked.post("/api/items", json=body, headers=ORIGIN).json()["error"]
    assert small.published.items == []


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"OggS" + bytes(20), "audio/ogg"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "video/webm"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "application/octet-stream",
        ),
        (b"<!doctype html><script>alert(1)</script>", "application/octet-stream"),
        (b"%PDF-1.7", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_media_are_what_their_bytes_say_whatever_their_publisher_says(
    asked: TestClient, console: OfflineConsole, data: bytes, media_type: str
) -> None:
    said = Media(kind="image", data=base64.b64encode(data).decode(), media_type="text/html")
    hold(console, Item(item_id="one", media=[said]))
    answer = asked.get(media_url(asked, "one"))
    assert answer.content == data
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    opaque = media_type == "application/octet-stream"
    assert (answer.headers.get("content-disposition") == "attachment") is opaque


@pytest.mark.parametrize(
    ("asked_for", "status", "part"),
    [("bytes=0-3", 206, PNG[:4]), ("bytes=20-", 206, PNG[20:]), ("bytes=5-999", 206, PNG[5:]),
     ("bytes=99-", 416, b""), ("bytes=3-1", 416, b""), ("lines=1-2", 200, PNG)],
)  # fmt: skip
def test_players_may_ask_for_a_part(
    asked: TestClient, console: OfflineConsole, asked_for: str, status: int, part: bytes
) -> None:
    hold(console, Item(item_id="one", media=[inline(PNG)]))
    answer = asked.get(media_url(asked, "one"), headers={"Range": asked_for})
    assert (answer.status_code, answer.content) == (status, part)


def test_a_file_beyond_the_allowed_folders_is_not_served(asked: TestClient, console: OfflineConsole) -> None:
    hold(console, Item(item_id="one", media=[Media(kind="image", uri="file:///etc/passwd")]))
    answer = asked.get(media_url(asked, "one"))
    assert answer.status_code == 400
    assert "root:" not in answer.text


def test_an_old_version_of_an_item_has_no_media_any_more(asked: TestClient, console: OfflineConsole) -> None:
    hold(console, Item(item_id="one", media=[inline(PNG)]))
    url = media_url(asked, "one")
    console.catalogue.take([record("one", Item(item_id="one"), 7)])
    assert asked.get(url).status_code == 404


def test_every_answer_with_a_medium_gives_its_slot_back(asked: TestClient, console: OfflineConsole) -> None:
    hold(console, Item(item_id="one", media=[inline(PNG)]), Item(item_id="two", media=[_ELSEWHERE]))
    one, two = media_url(asked, "one"), media_url(asked, "two")
    for _ in range(api.MEDIA_AT_ONCE + 1):
        assert asked.get(one).content == PNG
        assert asked.head(one).status_code == 200
        assert asked.get(one, headers={"Range": "bytes=90-"}).status_code == 416
        assert asked.get(two).status_code == 400


async def test_a_slow_reader_holds_the_slot_until_it_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    sent: list[Any] = []
    is_read = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 2:
            await is_read.wait()

    def answer() -> Any:
        sent.clear()
        return SlotResponse(media_response(bytes(200_000)), lambda: released.append(True))(
            {"type": "http", "path": "/media"}, send, send
        )

    waiting = asyncio.create_task(answer())
    while len(sent) < 3:
        await asyncio.sleep(0)
    assert released == []
    is_read.set()
    await waiting
    assert released == [True]
    assert b"".join(part["body"] for part in sent[1:]) == bytes(200_000)
    assert not sent[-1]["more_body"]
    is_read.clear()
    monkeypatch.setattr(slot_response, "SEND_TIMEOUT_S", 0.05)
    await answer()
    assert released == [True, True]
    assert len(sent) == 3


def test_the_catalogue_is_bounded_searched_and_withdrawn(asked: TestClient, console: OfflineConsole) -> None:
    hold(
        console,
        *(
            Item(item_id=f"i{n}", title=f"Boots {n}", attributes={"tags": ["rain" if n % 2 else "sun"]})
            for n in range(5)
        ),
    )
    found = asked.get("/api/items").json()
    assert [one["item_id"] for one in found["items"]] == ["i4", "i3", "i2"]
    assert [one["item_id"] for one in asked.get("/api/items?words=boots RAIN").json()["items"]] == ["i3"]
    console.catalogue.take([record("i3", None)])
    assert asked.get("/api/items?words=rain").json() == {"items": [], "total": 0}


def test_no_more_streams_than_allowed(asked: TestClient, console: OfflineConsole) -> None:
    with console.hub.subscribed(["flow"]), console.hub.subscribed(["flow"]):
        answer = asked.get("/api/stream?follow=flow")
        assert answer.status_code == 503
        assert "console.max_streams" in answer.json()["error"]


def test_what_a_stranger_asks_in_words_goes_out_with_the_request(
    asked: TestClient, console: OfflineConsole
) -> None:
    body = {"user_id": "never-seen", "query": "  quiet piano, no vocals "}
    assert asked.post("/api/requests", json=body, headers=ORIGIN).status_code == 200
    assert asked.post("/api/requests", json={**body, "query": " "}, headers=ORIGIN).status_code == 200
    in_words, plain = console.published.requests
    assert (in_words.user_id, in_words.query, in_words.explain) == (
        "never-seen",
        "quiet piano, no vocals",
        True,
    )
    assert plain.query is None


def test_words_beyond_what_is_read_are_refused_and_the_page_knows_the_bound(console: OfflineConsole) -> None:
    short = OfflineConsole(load_settings(query={"max_characters": 16}))
    asked = TestClient(console_app(short, Access("127.0.0.1", (), None)), base_url=f"http://{HOST}")
    assert asked.get("/api/state").json()["query"] == {"enabled": True, "max_characters": 16}
    answer = asked.post("/api/requests", json={"user_id": "a", "query": "w" * 17}, headers=ORIGIN)
    assert answer.status_code == 400
    assert "17 characters; 16 are read" in answer.json()["error"]
    assert short.published.requests == []


async def test_a_page_that_begins_to_follow_somebody_gets_their_newest_list(console: OfflineConsole) -> None:
    made = Recommendation(
        recommendation_id="r-1",
        user_id="anna",
        profile_version=3,
        cause=Cause(kind="event", id="e-1"),
        items=[],
        model="m",
        generated_at=datetime(2026, 1, 1, tzinfo=UTC),
        complete=True,
    )
    console.lists.take_lists([record("anna", made)])
    sent, has_all = bytearray(), asyncio.Event()

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))
        if b"event: list" in sent:
            has_all.set()

    async def receive() -> Any:
        await has_all.wait()
        return {"type": "http.disconnect"}

    async with asyncio.timeout(60):
        await EventStream(console, frozenset({user_channel("anna")}), "anna")({}, receive, send)
    assert sent.index(b"event: person") < sent.index(b"event: list")
    assert b'"recommendation_id":"r-1"' in sent
