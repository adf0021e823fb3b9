"""The console on a real Kafka: lists and words live, an upload, a dead letter replayed, slow browsers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stream.bench import REPOSITORY, item_ids
from tests.integration.stream.stack import Json, Stack

MAX_STREAMS = 3
WAIT_S = 120.0


class ConsoleClient:
    """Talks to a console as its page does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        headers = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def get(self, path: str) -> Json:
        status, answer = self.call("GET", path)
        assert status == 200, answer
        return answer

    def post(self, path: str, body: Any) -> Json:
        status, answer = self.call("POST", path, body)
        assert status == 200, answer
        return answer

    def await_items(self, *item_ids: str) -> None:
        """Until the console has read what these are called, and their vectors."""
        deadline = time.monotonic() + WAIT_S
        for item_id in item_ids:
            while not (
                any(one["title"] for one in self.get(f"/api/items?id={item_id}")["items"])
                and self.get(f"/api/near?item={item_id}")["point"]
            ):
                assert time.monotonic() < deadline, f"{item_id} is not known"
                time.sleep(0.05)

    def has_room(self) -> bool:
        """Whether a stream more is allowed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("GET", "/api/stream?follow=nothing")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    @contextmanager
    def stream(self, query: str) -> Iterator[StreamReader]:
        reader = StreamReader(self.port, query)
        try:
            yield reader
        finally:
            reader.close()


class StreamReader:
    """Reads server-sent events in a thread."""

    def __init__(self, port: int, query: str) -> None:
        self.messages: list[tuple[str, Json]] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._connection.request("GET", f"/api/stream?{query}")
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        kind = ""
        try:
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self.messages.append((kind, json.loads(value)))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            return

    def wait_for(self, kind: str, wanted: Callable[[Json], Any] = lambda data: True) -> Json:
        deadline = time.monotonic() + WAIT_S
        while True:
            for found, data in list(self.messages):
                if found == kind and wanted(data):
                    return data
            assert time.monotonic() < deadline, f"no such {kind}; {[one for one, _ in self.messages]}"
            time.sleep(0.01)

    def close(self) -> None:
        sock = self._connection.sock
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


@pytest.fixture(scope="module")
def console(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleClient]:
    folder = tmp_path_factory.mktemp("console")
    sections = stack.stream.sections | {
        "console": {
            "port": 0,
            "max_streams": MAX_STREAMS,
            "stream_messages": 16,
            "refresh_s": 0.5,
            "workers": [f"http://127.0.0.1:{stack.port(role)}" for role in ("recommend", "text")],
        }
    }
    environment = os.environ | {
        f"FRESHET_{section.upper()}": json.dumps(values, default=str) for section, values in sections.items()
    }
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", "console"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(REPOSITORY)},
        )
    try:
        assert process.stdout is not None
        address, ready = process.stdout.readline(), process.stdout.readline()
        assert ready == "ready\n", Path(folder / "console.log").read_text()
        yield ConsoleClient(int(address.rstrip("/\n").rpartition(":")[2]))
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0
        assert (folder / "console.log").read_text().strip() == "stopped"
    finally:
        process.kill()
        process.wait()


def test_a_click_comes_back_as_a_list_with_its_latency_and_then_words(
    stack: Stack, console: ConsoleClient, tag: str
) -> None:
    for name in ("desk", "reading"):
        stack.publish_item(f"{tag}-{name}", title=f"A {name} lamp", attributes={"tag": tag})
    stack.await_listed(tag, f"{tag}-desk", f"{tag}-reading")
    # The console reads `items` for itself, when it gets to it.
    console.await_items(f"{tag}-desk", f"{tag}-reading")
    user = f"user-{tag}"
    with console.stream(f"user={user}") as stream:
        assert stream.wait_for("person")["version"] == 0
        click = {"user_id": user, "item_id": f"{tag}-desk", "action": "click"}
        event_id = console.post("/api/events", click)["event_id"]
        made = stream.wait_for("list", lambda one: one["cause"] == {"kind": "event", "id": event_id})
        assert made["latency_ms"] > 0
        assert made["profile_version"] == 1
        (reading,) = (one for one in made["items"] if one["item"]["item_id"] == f"{tag}-reading")
        assert reading["item"]["title"] == "A reading lamp"
        assert sum(one["contribution"] for one in reading["reasons"]) == pytest.approx(reading["score"])
        person = stream.wait_for("person", lambda one: one["version"] == 1)
        assert (person["history"][0]["item_id"], person["history"][0]["action"]) == (f"{tag}-desk", "click")
        assert person["nearest"][0] == f"{tag}-desk"
        console.post("/api/requests", {"user_id": user, "after_event_id": event_id})
        asked = stream.wait_for("list", lambda one: one["cause"]["kind"] == "request")
        words = stream.wait_for("words")
        assert words["recommendation_id"] == asked["recommendation_id"]
        assert "you opened" in words["texts"][f"{tag}-reading"]
        # Nobody is shown what concerns somebody else.
        assert {data["user_id"] for kind, data in stream.messages if kind != "words"} == {user}
    answer = stack.ask(user, filter={"tag": tag})
    assert item_ids(answer) == [f"{tag}-reading"]


def test_an_upload_is_followed_until_it_is_recommendable(console: ConsoleClient, tag: str) -> None:
    with console.stream("follow=items") as stream:
        console.post("/api/items", {"item_id": f"{tag}-new", "title": "A new lamp", "category": "lamps"})
        # Each is read from a topic of its own: their order in reading is not that in which they happened.
        for step in ("declared", "encoded", "fused", "recommendable"):
            stream.wait_for("step", lambda one, step=step: one["step"] == step)
        steps = [one for kind, one in stream.messages if kind == "step"]
    assert {one["item_id"] for one in steps} == {f"{tag}-new"}
    assert steps[0]["step"] == "published"
    assert len(steps) == 5
    times = [one["ms"] for one in steps]
    assert times == sorted(times)
    found = console.get(f"/api/items?id={tag}-new")["items"]
    assert found[0]["attributes"] == {"category": "lamps"}
    assert f"{tag}-new" in console.get("/api/map")["item_ids"]


def test_a_dead_letter_opens_to_its_payload_and_is_replayed(
    stack: Stack, console: ConsoleClient, tag: str
) -> None:
    payload = b'{"event_id": "<script>alert(1)</script>", broken'
    with console.stream("follow=letters") as stream:
        partition, offset = stack.publish("events", payload, f"user-{tag}")
        place = {"partition": partition, "offset": offset}
        letter = stream.wait_for("letter", lambda one: place.items() <= one["source"].items())
        opened = console.get(f"/api/dead-letters/{letter['number']}")
        assert (opened["reason"], opened["payload"]) == ("malformed", payload.decode())
        console.post(f"/api/dead-letters/{letter['number']}/replay", {})
        again = stream.wait_for(
            "letter",
            lambda one: one["source"]["key"] == f"user-{tag}" and one["source"]["offset"] > offset,
        )
        assert again["source"]["partition"] == partition
    numbers = [one["number"] for one in console.get("/api/dead-letters")["letters"]]
    assert numbers[:2] == [again["number"], letter["number"]]
    status, answer = console.call("GET", "/api/dead-letters/999999")
    assert (status, "999999" in answer["error"]) == (400, True)


def test_the_flow_has_the_workers_figures_and_kafkas_groups(console: ConsoleClient) -> None:
    with console.stream("follow=flow") as stream:
        # A worker that is busy is asked in vain now and then.
        flow = stream.wait_for(
            "flow", lambda one: one and one.get("groups") and all(worker["up"] for worker in one["workers"])
        )
    assert flow["roles"]["recommend"]["workers"] == 1
    assert flow["roles"]["text"]["ready"] == 1
    assert flow["groups"]["profile"]["members"] == 1
    assert [one["up"] for one in flow["workers"]] == [True, True]


def test_a_browser_that_reads_nothing_is_dropped_and_the_others_go_on(
    stack: Stack, console: ConsoleClient, tag: str
) -> None:
    user = f"user-{tag}"
    stack.publish_item(f"{tag}-lamp", title="A lamp", description="x" * 500, attributes={"tag": tag})
    stack.await_listed(tag, f"{tag}-lamp")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.connect(("127.0.0.1", console.port))
    query = f"user={user}&follow=flow"
    slow.sendall(f"GET /api/stream?{query} HTTP/1.1\r\nHost: 127.0.0.1:{console.port}\r\n\r\n".encode())
    with slow, console.stream(f"user={user}") as quick, console.stream("follow=letters"):
        quick.wait_for("person")
        deadline = time.monotonic() + 300
        sent = 0
        # Full as long as the slow one holds its place; meanwhile everybody else is served.
        while not console.has_room():
            assert time.monotonic() < deadline, f"not dropped after {sent} events"
            for _ in range(20):
                click = {"user_id": user, "item_id": f"{tag}-{sent}", "action": "view"}
                last = console.post("/api/events", click)["event_id"]
                sent += 1
            quick.wait_for("list", lambda one, last=last: one["cause"]["id"] == last)
    assert sent >= 20
