"""Models from the hub, which here is a server on loopback that speaks as much of its protocol as is used."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="the extra `export` is not installed")

from huggingface_hub import constants

from models.errors import ExportError
from models.export.hub import fetch_model
from models.export.source import open_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories by name: files by path. ``asked`` are the paths that were downloaded."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.sizes: dict[str, int] = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        headers = {"X-Repo-Commit": COMMIT}
        for name, files in self.repositories.items():
            if path.startswith(f"/api/models/{name}/tree/"):
                tree = [
                    {"type": "file", "path": file, "size": len(data), "oid": COMMIT}
                    for file, data in files.items()
                ]
                self._send(request, 200, json.dumps(tree).encode(), headers)
                return
            if path.startswith(f"/api/models/{name}"):
                siblings = [
                    {"rfilename": file, "size": self.sizes.get(file, len(data))}
                    for file, data in files.items()
                ]
                body = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "tags": []}).encode()
                self._send(request, 200, body, headers)
                return
            file = path.removeprefix(f"/{name}/resolve/{COMMIT}/")
            if file in files:
                if request.command == "GET":
                    self.asked.append(file)
                digest = hashlib.sha256(files[file]).hexdigest()
                self._send(request, 200, files[file], headers | {"ETag": f'"{digest}"'})
                return
        self._send(request, 404, b"", headers | {"X-Error-Code": "RepoNotFound"})

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    made = Hub()
    yield made
    made.close()


def test_only_what_is_read_is_downloaded(hub: Hub) -> None:
    wanted = {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": b"weights",
        "1_Pooling/config.json": b"{}",
        "README.md": b"---\nlicense: mit\n---\n",
    }
    unwanted = {
        "pytorch_model.bin": b"pickle",
        "onnx/model.onnx": b"graph",
        "onnx/config.json": b"{}",
        "modeling.py": b"code",
    }
    hub.repositories["somebody/tiny"] = wanted | unwanted
    folder, commit = fetch_model("somebody/tiny", endpoint=hub.url)
    assert commit == COMMIT
    assert sorted(hub.asked) == sorted(wanted)
    opened = open_folder(folder)
    assert (opened.model_type, opened.licence) == ("bert", "mit")


def test_what_is_too_large_is_not_downloaded(hub: Hub) -> None:
    hub.repositories["somebody/large"] = {"config.json": b"{}", "model.safetensors": b""}
    hub.sizes["model.safetensors"] = 20 << 30
    with pytest.raises(ExportError, match=r"21\.5 GB"):
        fetch_model("somebody/large", endpoint=hub.url)
    assert hub.asked == []


def test_weights_that_may_run_code_are_not_downloaded(hub: Hub) -> None:
    hub.repositories["somebody/old"] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(ExportError, match="may run code"):
        fetch_model("somebody/old", endpoint=hub.url)
    assert hub.asked == []


def test_a_model_that_is_not_there(hub: Hub) -> None:
    with pytest.raises(ExportError, match="somebody/nothing cannot be fetched"):
        fetch_model("somebody/nothing", endpoint=hub.url)


def test_a_hub_that_is_not_reachable(hub: Hub) -> None:
    hub.close()
    with pytest.raises(ExportError, match="cannot be fetched"):
        fetch_model("somebody/tiny", endpoint="http://127.0.0.1:9")
