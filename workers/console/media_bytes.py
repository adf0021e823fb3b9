"""Media of items for a browser: only what is known to be a picture, a sound or a film is called one.

A publisher's word for the type is not taken: the first bytes say it, and from a short list. All else is
handed out as bytes that no browser shows. With `nosniff` and a sandbox nothing in them can run.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

_MPEG_AUDIO = (b"\xfb", b"\xf3", b"\xf2", b"\xfa")
_MAGIC: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head.startswith(b"\xff\xd8\xff"), "image/jpeg"),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "image/png"),
    (lambda head: head[:6] in (b"GIF87a", b"GIF89a"), "image/gif"),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", "image/webp"),
    (lambda head: head[4:12] in (b"ftypavif", b"ftypavis"), "image/avif"),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE", "audio/wav"),
    (lambda head: head.startswith(b"OggS"), "audio/ogg"),
    (lambda head: head.startswith(b"fLaC"), "audio/flac"),
    (
        lambda head: head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] in _MPEG_AUDIO),
        "audio/mpeg",
    ),
    (lambda head: head.startswith(b"\x1a\x45\xdf\xa3"), "video/webm"),
    (lambda head: head[4:8] == b"ftyp", "video/mp4"),
)
_OPAQUE = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The address names the item's version: what it holds never changes.
    "Cache-Control": "private, max-age=86400, immutable",
    "Accept-Ranges": "bytes",
}


def media_type_of(data: bytes) -> str:
    """The type that the first bytes say, `application/octet-stream` where they say none that is listed."""
    head = data[:16]
    return next((media_type for is_it, media_type in _MAGIC if is_it(head)), _OPAQUE)


def media_response(data: bytes, range_header: str | None = None) -> Response:
    """The bytes, or the one range of them that is asked for: players seek by it."""
    media_type = media_type_of(data)
    headers = dict(HEADERS)
    if media_type == _OPAQUE:
        headers["Content-Disposition"] = "attachment"
    wanted = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if wanted is None:
        return Response(data, media_type=media_type, headers=headers)
    first = int(wanted[1])
    last = min(int(wanted[2]) if wanted[2] else len(data) - 1, len(data) - 1)
    if first >= len(data) or last < first:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type=media_type, headers=headers)
