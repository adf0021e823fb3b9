"""Media come from where settings allow, and from nowhere else: no connection, no open file."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import socket
from pathlib import Path
from typing import Any

import fsspec
import pytest
from aiohttp import web

from streams.errors import (
    ConfigurationError,
    MediaTooLargeError,
    MediaUnreadableError,
    UriNotAllowedError,
    UriUnreachableError,
)
from streams.messages import Media
from tests.unit.media.media_server import FixedResolver, Server, by_uri, fetched, serving, small_file

# --- inline ------------------------------------------------------------


async def test_inline_data_are_decoded() -> None:
    raw = os.urandom(300_001)
    assert await fetched(Media(kind="image", data=base64.b64encode(raw).decode())) == raw


@pytest.mark.parametrize("data", ["not base64!", "QUJ", "QUJD\nREVG", "=AAA"])
async def test_inline_data_that_are_not_base64(data: str) -> None:
    with pytest.raises(MediaUnreadableError):
        await fetched(Media(kind="image", data=data))


@pytest.mark.parametrize(("size_bytes", "is_allowed"), [(1_000, True), (1_001, False), (5_000, False)])
async def test_inline_limit_counts_decoded_bytes(size_bytes: int, is_allowed: bool) -> None:
    media = Media(kind="image", data=base64.b64encode(bytes(size_bytes)).decode())
    if is_allowed:
        assert len(await fetched(media, inline_max_bytes=1_000)) == size_bytes
    else:
        with pytest.raises(MediaTooLargeError):
            await fetched(media, inline_max_bytes=1_000)


# --- files ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a picture.jpg").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    return root


async def test_file_beneath_a_root(folder: Path) -> None:
    assert await fetched(by_uri(f"file://{folder}/a%20picture.jpg"), roots=(folder,)) == b"picture"


@pytest.mark.parametrize(
    "path",
    ["../secret", "%2e%2e/secret", "x/../../secret", "link", "folder-link/secret", "..%2fsecret"],
)
async def test_file_outside_the_roots(folder: Path, path: str) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "folder-link").symlink_to(folder.parent)
    with pytest.raises(UriNotAllowedError):
        await fetched(by_uri(f"file://{folder}/{path}"), roots=(folder,))


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "file://host/etc/passwd", "file:relative", "file:///a%00b"]
)
async def test_file_without_roots(uri: str) -> None:
    with pytest.raises(UriNotAllowedError):
        await fetched(by_uri(uri))


async def test_a_link_within_the_root_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "a picture.jpg")
    assert await fetched(by_uri(f"file://{folder}/link"), roots=(folder,)) == b"picture"


async def test_only_regular_files(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with pytest.raises(UriNotAllowedError, match="regular"):
        await fetched(by_uri(f"file://{folder}/fifo"), roots=(folder,), deadline_s=5.0)
    with pytest.raises(UriNotAllowedError, match="regular"):
        await fetched(by_uri(f"file://{folder}/"), roots=(folder,))
    with pytest.raises(UriNotAllowedError, match="regular"):
        await fetched(by_uri("file:///dev/zero"), roots=(Path("/dev"),))


async def test_missing_file_is_unreachable_at_once(folder: Path) -> None:
    with pytest.raises(UriUnreachableError) as caught:
        await fetched(by_uri(f"file://{folder}/none"), roots=(folder,))
    assert caught.value.attempts == 1


async def test_file_over_the_limit(folder: Path) -> None:
    with pytest.raises(MediaTooLargeError):
        await fetched(by_uri(f"file://{folder}/a%20picture.jpg"), roots=(folder,), max_bytes=6)


# --- HTTP ------------------------------------------------------------


async def test_http_from_an_allowed_host() -> None:
    async with serving(small_file) as server:
        hosts = (f"127.0.0.1:{server.port}",)
        assert (
            await fetched(by_uri(server.uri()), allowed_hosts=hosts, allow_private_addresses=True)
            == b"picture"
        )
        assert server.connections == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"]
)
async def test_no_connection_to_loopback_however_it_is_written(host: str) -> None:
    async with serving(small_file) as server:
        with pytest.raises(UriNotAllowedError):
            await fetched(by_uri(server.uri(host=host)), allowed_hosts=(f"{host}:{server.port}",))
        assert server.connections == 0


@pytest.mark.parametrize(
    "hosts", [(), ("example.com",), ("127.0.0.1",), ("*.0.0.2:{port}",), ("0.0.1:{port}",)]
)
async def test_no_connection_to_a_host_that_is_not_allowed(hosts: tuple[str, ...]) -> None:
    async with serving(small_file) as server:
        allowed = tuple(host.format(port=server.port) for host in hosts)
        with pytest.raises(UriNotAllowedError, match="allowed_hosts"):
            await fetched(by_uri(server.uri()), allowed_hosts=allowed, allow_private_addresses=True)
        assert server.connections == 0


async def test_no_connection_where_a_name_leads_to_a_private_address() -> None:
    async with serving(small_file) as server:
        for address in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"):
            with pytest.raises(UriNotAllowedError, match="no connection"):
                await fetched(
                    by_uri(server.uri(host="img.example.com")),
                    FixedResolver(address),
                    allowed_hosts=(f"img.example.com:{server.port}",),
                )
        assert server.connections == 0


async def test_a_name_that_changes_its_address_is_checked_at_each_connection() -> None:
    """DNS rebinding: the first answer is harmless, the one after the redirect is not."""

    async def redirect(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/again", headers={"Connection": "close"})

    async with serving(redirect) as server:
        resolver = FixedResolver("127.0.0.1", "169.254.169.254")
        with pytest.raises(UriNotAllowedError, match="metadata"):
            await fetched(
                by_uri(server.uri(host="img.example.com")),
                resolver,
                allowed_hosts=(f"img.example.com:{server.port}",),
                allow_private_addresses=True,
            )
        assert (server.connections, resolver.asked) == (1, 2)


async def test_no_connection_by_redirect() -> None:
    async with serving(small_file) as inner:

        async def redirect(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(inner.uri())

        async with serving(redirect) as outer:
            with pytest.raises(UriNotAllowedError):
                await fetched(
                    by_uri(outer.uri()),
                    allowed_hosts=(f"127.0.0.1:{outer.port}",),
                    allow_private_addresses=True,
                )
            assert (outer.connections, inner.connections) == (1, 0)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/", "http://169.254.169.254/"])
async def test_redirect_to_what_is_never_read(target: str) -> None:
    async def redirect(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(target)

    async with serving(redirect) as server:
        with pytest.raises(UriNotAllowedError):
            await fetched(
                by_uri(server.uri()),
                allowed_hosts=(f"127.0.0.1:{server.port}", "169.254.169.254", "example.com"),
                allow_private_addresses=True,
            )


async def test_redirects_end() -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{request.path}x")

    async with serving(redirect) as server:
        with pytest.raises(UriUnreachableError, match="redirects"):
            await fetched(
                by_uri(server.uri()),
                allowed_hosts=(f"127.0.0.1:{server.port}",),
                allow_private_addresses=True,
                max_redirects=2,
            )
        assert server.requests == 3


async def local(server: Server, **settings: Any) -> bytes:
    return await fetched(
        by_uri(server.uri()),
        allowed_hosts=(f"127.0.0.1:{server.port}",),
        allow_private_addresses=True,
        **settings,
    )


async def test_download_ends_at_the_limit() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(10_000))
            sent += 10_000

    async with serving(endless) as server:
        with pytest.raises(MediaTooLargeError):
            await local(server, max_bytes=1_000_000)
        assert 1_000_000 <= sent < 20_000_000


async def test_declared_length_over_the_limit_is_not_read() -> None:
    async def large(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(2_000))

    async with serving(large) as server:
        with pytest.raises(MediaTooLargeError, match="2,000"):
            await local(server, max_bytes=1_999)


async def test_compressed_answer_is_refused() -> None:
    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    async with serving(bomb) as server:
        with pytest.raises(UriUnreachableError, match="Content-Encoding"):
            await local(server)


async def test_passing_failure_is_tried_again() -> None:
    answers = iter([503, 500, 200])

    async def unsteady(_: web.Request) -> web.StreamResponse:
        return web.Response(status=next(answers), body=b"picture")

    async with serving(unsteady) as server:
        assert await local(server) == b"picture"
        assert server.requests == 3


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (410, 1), (503, 3), (429, 3)])
async def test_attempts_by_status(status: int, requests: int) -> None:
    async def failing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with serving(failing) as server:
        with pytest.raises(UriUnreachableError, match=str(status)) as caught:
            await local(server)
        assert server.requests == requests == caught.value.attempts


async def test_silent_server_ends_at_the_deadline() -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with serving(silent) as server:
        with pytest.raises(UriUnreachableError, match=r"0\.3 s"):
            await local(server, deadline_s=0.3)


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UriUnreachableError) as caught:
        await fetched(
            by_uri(f"http://127.0.0.1:{port}/"),
            allowed_hosts=(f"127.0.0.1:{port}",),
            allow_private_addresses=True,
        )
    assert caught.value.attempts == 3


@pytest.mark.parametrize(
    ("pattern", "host", "is_allowed"),
    [
        ("img.example.com", "img.example.com", True),
        ("img.example.com", "IMG.Example.COM.", True),
        ("img.example.com", "evil-img.example.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("img.example.com:8080", "img.example.com", False),
    ],
)
async def test_host_patterns(pattern: str, host: str, is_allowed: bool) -> None:
    resolver = FixedResolver("10.0.0.1")
    with pytest.raises(UriNotAllowedError):  # by its address, where the host is allowed
        await fetched(by_uri(f"http://{host}/"), resolver, allowed_hosts=(pattern,))
    assert resolver.asked == is_allowed


async def test_a_host_setting_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="allowed_hosts"):
        await fetched(by_uri("http://img.example.com/"), allowed_hosts=("img.example.com:port",))


@pytest.mark.parametrize(
    "uri", ["http://user:secret@img.example.com/", "http:///x", "http://[::1", "gopher://x/"]
)
async def test_odd_uris(uri: str) -> None:
    with pytest.raises(UriNotAllowedError):
        await fetched(by_uri(uri), FixedResolver("8.8.8.8"), allowed_hosts=("img.example.com", ""))


async def test_fsspec_where_its_scheme_is_allowed() -> None:
    fsspec.filesystem("memory").pipe("/shop/a.jpg", b"picture")
    uri = by_uri("memory://shop/a.jpg")
    with pytest.raises(UriNotAllowedError, match="allowed_schemes"):
        await fetched(uri)
    schemes = frozenset({"memory"})
    assert await fetched(uri, allowed_schemes=schemes) == b"picture"
    with pytest.raises(MediaTooLargeError):
        await fetched(uri, allowed_schemes=schemes, max_bytes=6)
    with pytest.raises(UriUnreachableError):
        await fetched(by_uri("memory://shop/none.jpg"), allowed_schemes=schemes)
    with pytest.raises(UriNotAllowedError):
        await fetched(by_uri("memory::file:///etc/passwd"), allowed_schemes=schemes)


@pytest.mark.parametrize("scheme", ["local", "simplecache", "no-such-scheme"])
async def test_schemes_that_cannot_be_allowed(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match=scheme):
        await fetched(by_uri(f"{scheme}://x"), allowed_schemes=frozenset({scheme}))
