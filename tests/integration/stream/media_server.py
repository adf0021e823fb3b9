"""An HTTP server for media that tests hold back, redirect, or never let end; and a port nobody may touch."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

HELD_S = 100.0
_CHUNK = bytes(1 << 16)


class MediaServer:
    """Serves on loopback what a test puts there. Use as a context manager."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        self.endless_bytes = 0
        self._gates: dict[str, threading.Event] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.host = f"127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gate in self._gates.values():
            gate.set()
        self._http.shutdown()
        self._http.server_close()

    def uri(self, path: str) -> str:
        """Of a path on this server."""
        return f"http://{self.host}/{path}"

    def put(self, path: str, body: bytes, *, held: bool = False) -> str:
        """Serve ``body``; with ``held`` only after `release`. The URI."""
        self.bodies[path] = body
        if held:
            self._gates[path] = threading.Event()
        return self.uri(path)

    def release(self, path: str) -> None:
        """Let the answers for a held path go."""
        self._gates[path].set()

    def redirect(self, path: str, target: str) -> str:
        """Answer a path with a redirect. The URI."""
        self.redirects[path] = target
        return self.uri(path)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        path = handler.path.lstrip("/")
        self.requests[path] += 1
        if path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[path])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif path == "endless":
            handler.send_response(200)
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(_CHUNK)
                    self.endless_bytes += len(_CHUNK)
            except OSError:
                handler.close_connection = True
        elif path in self.bodies:
            if path in self._gates:
                self._gates[path].wait(HELD_S)
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(self.bodies[path])))
            handler.end_headers()
            handler.wfile.write(self.bodies[path])
        else:
            handler.send_error(404)


class Forbidden:
    """A listening port that counts who connects. Use as a context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()
