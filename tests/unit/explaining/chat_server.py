"""A server on loopback that speaks OpenAI's chat completions, honestly, with faults, or with lies."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.unit.explaining.chat_answers import Json, answer

SLOW_S = 30.0
TRICKLE_S = 0.05

FAULTS = (
    "slow",
    "trickle",
    "429",
    "500",
    "400",
    "truncated",
    "hangup",
    "html",
    "no_choices",
    "null_content",
    "cut_off",
    "nonsense",
)


class ChatServer:
    """Answers each call as ``behave`` says. Use as a context manager.

    Args:
        behave: Of a request's body and its number from 0: `honest`, or one of LIES and FAULTS.
        port: 0 takes a free one.
    """

    def __init__(
        self, behave: Callable[[Json, int], str] = lambda body, number: "honest", port: int = 0
    ) -> None:
        self.behave = behave
        self.bodies: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.behaviours: Counter[str] = Counter()
        self.retry_after = "0"
        self._lock = threading.Lock()
        self._ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._post(self)

            def log_message(self, *_: object) -> None:
                return

        self._http = _Quiet(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if self._ended.is_set():
            handler.close_connection = True  # a connection that was kept outlives the listener
            return
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            behaviour = self.behave(body, number)
            self.behaviours[behaviour] += 1
        if behaviour == "slow":
            self._ended.wait(SLOW_S)
        elif behaviour == "hangup":
            handler.close_connection = True
        elif behaviour == "429":
            _send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": self.retry_after})
        elif behaviour in ("500", "400"):
            _send(handler, int(behaviour), {"error": {"message": "no"}})
        elif behaviour == "html":
            _send_bytes(handler, 200, b"<html>It works!</html>", {"Content-Type": "text/html"})
        elif behaviour == "nonsense":
            _send(handler, 200, {"choices": [{"message": "?"}, 5], "usage": "none"})
        elif behaviour == "no_choices":
            _send(handler, 200, completion("") | {"choices": []})
        else:
            self._answer(handler, behaviour, body)

    def _answer(self, handler: BaseHTTPRequestHandler, behaviour: str, body: Json) -> None:
        content = answer(behaviour, body)
        if behaviour == "null_content":
            _send(handler, 200, completion(None))
        elif behaviour == "cut_off":
            _send(handler, 200, completion(content[: len(content) // 2], finish="length"))
        elif behaviour == "truncated":
            encoded = json.dumps(completion(content)).encode()
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(encoded)))
            handler.end_headers()
            handler.wfile.write(encoded[: len(encoded) // 2])
            handler.close_connection = True
        elif behaviour == "trickle":
            encoded = json.dumps(completion(content)).encode()
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(encoded)))
            handler.end_headers()
            for at in range(len(encoded)):
                if self._ended.wait(TRICKLE_S):
                    return
                handler.wfile.write(encoded[at : at + 1])
                handler.wfile.flush()
        else:
            _send(handler, 200, completion(content))


def is_second_try(body: Json) -> bool:
    """Whether the request holds a complaint about an answer before."""
    return len(body["messages"]) > 2


def completion(content: str | None, finish: str = "stop") -> Json:
    """A chat completion."""
    return {
        "id": "c",
        "object": "chat.completion",
        "created": round(time.time()),
        "model": "test",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


class _Quiet(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what tests are about."""


def _send(
    handler: BaseHTTPRequestHandler, status: int, value: Json, headers: dict[str, str] | None = None
) -> None:
    encoded = json.dumps(value).encode()
    _send_bytes(handler, status, encoded, {"Content-Type": "application/json"} | (headers or {}))


def _send_bytes(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
