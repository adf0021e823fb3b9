"""Who may call the console, checked before anything else.

- The `Host` header must be one of the console's own names: a page elsewhere whose name was pointed at this
  machine (DNS rebinding) has another.
- What changes something must come from the console's own page: `Origin` must be the host that is called.
- With a token, everything but the page's own files needs it, as `Authorization: Bearer …` or as the cookie
  that `/api/session` gives for it.
- A body is at most `MAX_BODY_BYTES` long.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The largest message that Kafka takes from us, with room for the JSON around it.
MAX_BODY_BYTES = 8 << 20
COOKIE = "freshet_console"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104
_OPEN_PATHS = frozenset({"/", "/ready", "/api/session"})
_OPEN_FOLDER = "/assets/"

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a name or an address that is bound means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Names and the token that open the console.

    Args:
        host: What is bound.
        allowed_hosts: Further names.
        token: None where none is needed.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str], token: str | None) -> None:
        self._names = LOOPBACK_NAMES | {host.lower()} | {name.lower() for name in allowed_hosts}
        self._is_everywhere = host in EVERY_ADDRESS
        self._token = token
        # What the cookie holds is not the token: it ends with this process.
        self.session = secrets.token_urlsafe(32)

    @property
    def needs_token(self) -> bool:
        """Whether a token is set."""
        return self._token is not None

    def is_own_host(self, header: str | None) -> bool:
        """Whether a `Host` header names the console."""
        name = _name_of(header or "")
        if name in self._names - EVERY_ADDRESS:
            return True
        # Rebinding needs a name: an address in numbers is what it says.
        return self._is_everywhere and _is_address(name)

    def is_token(self, given: str) -> bool:
        """Whether this is the token; takes as long for any."""
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def is_let_in(self, headers: Headers) -> bool:
        """Whether a request shows the token, or the cookie that was given for it."""
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return hmac.compare_digest(_cookie(headers, COOKIE).encode(), self.session.encode())


class Guard:
    """The ASGI application behind the checks; every answer carries the security headers."""

    def __init__(self, app: ASGIApp, access: Access, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._access = access
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            status, text = refusal
            await JSONResponse({"error": text}, status)(scope, receive, send)
            return
        body = _BoundedBody(receive, self._max_body_bytes)
        await self._app(scope, body.receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        access, path = self._access, scope["path"]
        if not access.is_own_host(headers.get("host")):
            return 421, "this name is not the console's: add it to `console.allowed_hosts`"
        if scope["method"] not in ("GET", "HEAD"):
            if not _is_same_origin(scope, headers):
                return 403, "only the console's own page may change something"
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return 415, "send application/json"
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > self._max_body_bytes:
                return 413, _too_large(self._max_body_bytes)
        if path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER) or access.is_let_in(headers):
            return None
        return 401, "the console needs its token"


class BodyTooLargeError(Exception):
    """A body whose length was not told turns out longer than is allowed; raised where it is read."""


class _BoundedBody:
    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._received_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > self._max_bytes:
            raise BodyTooLargeError(_too_large(self._max_bytes))
        return message


def _too_large(max_bytes: int) -> str:
    return f"more than {max_bytes >> 20} MiB; larger media come by URI"


def _is_same_origin(scope: Scope, headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    scheme, _, origin_host = headers.get("origin", "").partition("://")
    return scheme in ("http", "https") and bool(origin_host) and origin_host == headers.get("host")


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                # Media have a stricter policy of their own; the page's files are kept by browsers.
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def _name_of(host: str) -> str:
    """A `Host` header without its port; of an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers, name: str) -> str:
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
