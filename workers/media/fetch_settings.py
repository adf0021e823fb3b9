"""What media may be fetched from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaFetchSettings:
    """What may be fetched from where, and how long that may take.

    Attributes:
        roots: folders beneath which ``file`` URIs are read, symbolic links followed first. None: no files.
        allowed_hosts: of ``http`` and ``https`` URIs: ``img.example.com``, ``*.example.com`` (any host below
            it), either with ``:port``; without, only the scheme's own port. None: no host.
        allow_private_addresses: private, loopback and link-local addresses may be connected to.
        allowed_schemes: others than ``file``, ``http`` and ``https`` need an installed backend of fsspec,
            which reads whatever this process has the rights to.
        max_bytes: of what a URI holds.
        inline_max_bytes: of inline data, decoded.
        deadline_s: for one URI, all attempts and waits included.
        attempts: how often a transient failure is met with another attempt, the first included.
        max_redirects: followed one after another for one attempt.
        connect_timeout_s: for name resolution, connection and TLS.
    """

    roots: tuple[Path, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allow_private_addresses: bool = False
    allowed_schemes: frozenset[str] = field(default_factory=lambda: frozenset({"file", "http", "https"}))
    max_bytes: int = 64 * MEBIBYTE
    inline_max_bytes: int = 4 * MEBIBYTE
    deadline_s: float = 15.0
    attempts: int = 3
    max_redirects: int = 3
    connect_timeout_s: float = 5.0


class TransientFetchError(Exception):
    """An attempt failed in a way that another one may not: a time-out, a connection that broke, a 503."""
