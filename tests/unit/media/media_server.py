"""A web server on loopback, a name server that changes its answers, and one medium fetched."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from streams.messages import Media
from workers.media.fetch import MediaFetcher, MediaFetchSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def by_uri(uri: str) -> Media:
    return Media(kind="image", uri=uri)


async def fetched(media: Media, resolver: AbstractResolver | None = None, **settings: Any) -> bytes:
    async with MediaFetcher(MediaFetchSettings(**settings), resolver) as fetcher:
        return await fetcher.fetch(media)


class Server:
    """A web server on loopback that counts the connections made to it."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.port = 0

    def uri(self, path: str = "/a.jpg", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    server = Server()

    async def counted(request: web.Request) -> web.StreamResponse:
        server.requests += 1
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", counted)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    assert runner.server is not None
    inner = runner.server

    def connected() -> asyncio.Protocol:
        server.connections += 1
        return inner()

    loop_server = await asyncio.get_running_loop().create_server(connected, sock=listener)
    try:
        yield server
    finally:
        loop_server.close()
        await runner.cleanup()


async def small_file(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"picture")


class FixedResolver(AbstractResolver):
    """Answers with the given addresses, one answer after the other, as a rebinding name server does."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        pass
