"""Media over HTTP, from allowed hosts, and never by a connection to an address that is not allowed.

Names are resolved once for each connection; the addresses that come back are checked, and the connection goes
to one of them, so that a name that changes its address (DNS rebinding) changes nothing. TLS still checks the
certificate against the name.
"""

from __future__ import annotations

import socket
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streams.errors import ConfigurationError, MediaTooLargeError, UriNotAllowedError, UriUnreachableError
from workers.media.addresses import why_refused
from workers.media.fetch_settings import MediaFetchSettings, TransientFetchError

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES: Final = 1 << 16
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "freshet"}


class HttpSource:
    """Reads ``http`` and ``https`` URIs. To be made within the event loop it serves."""

    def __init__(self, settings: MediaFetchSettings, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._hosts = [_parsed(pattern) for pattern in settings.allowed_hosts]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_CheckedResolver(resolver or aiohttp.ThreadedResolver(), settings),
                use_dns_cache=False,
                socket_factory=self._checked_socket,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=settings.connect_timeout_s, sock_read=settings.deadline_s
            ),
            # A compressed body could grow beyond measure; media are compressed already.
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            trust_env=False,
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def fetch(self, uri: str) -> bytes:
        """One attempt. Raises as :meth:`workers.media.fetch.MediaFetcher.fetch`, or TransientFetchError."""
        try:
            url = URL(uri)
            for _ in range(self._settings.max_redirects + 1):
                self._check(url)
                async with self._session.get(url, allow_redirects=False) as response:
                    location = response.headers.get("Location")
                    if response.status not in _REDIRECTS or not location:
                        return await self._body(response)
                    url = url.join(URL(location))
        except (aiohttp.InvalidURL, ValueError) as error:
            raise UriNotAllowedError(f"{uri[:200]} is no address of the web: {error}") from error
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
            raise UriUnreachableError(f"{uri[:200]}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise TransientFetchError(str(error) or type(error).__name__) from error
        raise UriUnreachableError(f"{uri[:200]}: over {self._settings.max_redirects} redirects")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        where, limit = f"{str(response.url)[:200]}", self._settings.max_bytes
        if response.status in _TRANSIENT_STATUS:
            raise TransientFetchError(f"HTTP status {response.status}")
        if response.status != 200:
            raise UriUnreachableError(f"{where}: HTTP status {response.status}")
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            raise UriUnreachableError(f"{where}: sent with Content-Encoding {encoding[:50]}, unasked for")
        if (response.content_length or 0) > limit:
            raise MediaTooLargeError(f"{where}: {response.content_length:,} bytes, over {limit:,}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                raise MediaTooLargeError(f"{where}: over {limit:,} bytes")
        return bytes(body)

    def _check(self, url: URL) -> None:
        """Refuses a URL by its text. Also for numeric hosts, which never reach a resolver."""
        shown = str(url)[:200]
        if url.scheme not in ("http", "https") or url.scheme not in self._settings.allowed_schemes:
            raise UriNotAllowedError(f"{shown}: scheme {url.scheme!r} is not allowed")
        if url.user is not None or url.password is not None:
            raise UriNotAllowedError(f"{shown}: a URI with a user or a password is not read")
        host = (url.raw_host or "").rstrip(".").lower()
        if not any(_matches(host, url, pattern) for pattern in self._hosts):
            raise UriNotAllowedError(
                f"{shown}: host {host!r}, port {url.port} is not allowed; add it to the setting "
                "`media.allowed_hosts`"
            )
        if ":" in host or host.replace(".", "").isdigit():  # what aiohttp takes for an address
            _check_address(host, self._settings)

    def _checked_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """The last gate: a socket only for an address that is allowed, whichever way it came here."""
        family, kind, protocol, _, (host, *_) = address
        _check_address(host, self._settings)
        return socket.socket(family, kind, protocol)


class _CheckedResolver(AbstractResolver):
    """Refuses a name of which any address is not allowed."""

    def __init__(self, inner: AbstractResolver, settings: MediaFetchSettings) -> None:
        self._inner = inner
        self._settings = settings

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            _check_address(result["host"], self._settings, f"{host} is at ")
        return found

    async def close(self) -> None:
        await self._inner.close()


def _check_address(address: str, settings: MediaFetchSettings, prefix: str = "") -> None:
    try:
        reason = why_refused(address, settings.allow_private_addresses)
    except ValueError:
        reason = f"{address[:100]} is no address"
    if reason:
        raise UriNotAllowedError(f"{prefix}{reason}: no connection is made to it")


def _parsed(pattern: str) -> tuple[str, int | None]:
    """A host as URLs have it (punycode), with its wildcard, and its port."""
    wildcard = "*." if pattern.startswith("*.") else ""
    try:
        url = URL(f"http://{pattern.removeprefix(wildcard)}")
    except ValueError as error:
        raise ConfigurationError(
            f"setting `media.allowed_hosts`: {pattern!r} is no host; write `img.example.com`, "
            f"`*.example.com` or either with `:port` ({error})"
        ) from error
    host = (url.raw_host or "").rstrip(".").lower()
    return wildcard + host, url.explicit_port


def _matches(host: str, url: URL, pattern: tuple[str, int | None]) -> bool:
    name, port = pattern
    if url.port != port if port is not None else not url.is_default_port():
        return False
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name
