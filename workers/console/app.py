"""The console as an ASGI application: its own page, and what that asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from workers.console.api import Api
from workers.console.console import Console
from workers.console.guard import Access, Guard

PAGE_FOLDER = Path(__file__).parent / "page"


class _PageFiles(StaticFiles):
    """Files that a browser keeps and asks after: a new release shows at once."""

    def file_response(self, *arguments: Any, **others: Any) -> Response:
        """See Starlette."""
        response = super().file_response(*arguments, **others)
        response.headers["Cache-Control"] = "no-cache"
        return response


def console_app(console: Console, access: Access) -> ASGIApp:
    """The application; `console` follows its topics while it runs."""

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        async with console:
            yield

    async def index(_: Request) -> Response:
        return FileResponse(PAGE_FOLDER / "index.html", media_type="text/html; charset=utf-8")

    routes = [
        Route("/", index),
        *Api(console, access).routes(),
        Mount("/assets", _PageFiles(directory=PAGE_FOLDER)),
    ]
    return Guard(Starlette(routes=routes, lifespan=running), access)
