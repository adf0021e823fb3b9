"""Media that cannot be had or decoded: the dead letter says why, the next good file is served."""

from __future__ import annotations

import base64
import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream
from tests.integration.stream.conftest import DECODE_MEMORY_BYTES, METADATA_HOST, VIDEO_MAX_BYTES
from tests.integration.stream.media_server import Forbidden, MediaServer
from tests.integration.stream.role_memory import (
    MEBIBYTE,
    address_space_limit_bytes,
    bounded,
    children,
    cpu_ticks,
)
from tests.integration.stream.stack import Json, Stack, running
from tests.unit.preprocessing.media_samples import png_with_header, video_file

GOOD = {"image": "shoes-*.jpg", "audio": "rooster-*.ogg", "video": "*-rain-*.webm"}
MAX_GROWTH_BYTES = 48 * MEBIBYTE
# Far below the 50 million pixels that are allowed, but more than a decoder's memory once it is RGBA.
HUNGRY_EDGE_PX = 7_000


def inline(kind: str, data: bytes, **fields: str) -> Json:
    return {"kind": kind, "data": base64.b64encode(data).decode(), **fields}


def png(mode: str, edge_px: int) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (edge_px, edge_px)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def refused(stack: Stack, tag: str, medium: Json, reason: str, words: str = "") -> Json:
    """Publish an item with a bad medium and a text, then a good one of the same kind; the dead letter.

    The text is served all the same, the medium is not, and one role alone reports it.
    """
    kind, bad, good = medium["kind"], f"{tag}-bad", f"{tag}-good"
    with bounded(stack.pid(kind), MAX_GROWTH_BYTES):
        position = stack.publish_item(bad, title="A title", attributes={"tag": tag}, media=[medium])
        stack.publish_item(
            good, attributes={"tag": tag}, media=[{"kind": kind, "uri": stack.file_uri(GOOD[kind])}]
        )
        letter = stack.letter("items", position)
        stack.await_modalities(good, kind)
    assert (letter["reason"], letter["stage"]) == (reason, f"encode-{kind}"), letter["detail"]
    assert words in letter["detail"]
    assert letter["source"]["key"] == bad
    stack.await_modalities(bad, "text")
    stack.await_listed(tag, bad, good)
    stack.letters.read_to_end()
    assert len(stack.letters_of("items", position)) == 1
    return letter


UNDECODABLE: dict[str, tuple[str, Callable[[Stack], bytes], str]] = {
    "truncated picture": (
        "image",
        lambda stack: stack.file(GOOD["image"]).read_bytes()[:200],
        "media_unreadable",
    ),
    "truncated sound": (
        "audio",
        lambda stack: stack.file(GOOD["audio"]).read_bytes()[:40],
        "media_unreadable",
    ),
    "truncated film": (
        "video",
        lambda stack: stack.file(GOOD["video"]).read_bytes()[:150],
        "media_unreadable",
    ),
    "sound called a picture": (
        "image",
        lambda stack: stack.file(GOOD["audio"]).read_bytes(),
        "media_unreadable",
    ),
    "picture called a sound": (
        "audio",
        lambda stack: stack.file(GOOD["image"]).read_bytes(),
        "media_unreadable",
    ),
    "sound called a film": (
        "video",
        lambda stack: stack.file(GOOD["audio"]).read_bytes(),
        "media_unreadable",
    ),
    "text called a film": ("video", lambda stack: b"<html>moved</html>", "media_unreadable"),
    "nothing": ("image", lambda stack: b"", "media_unreadable"),
    "PNG bomb": ("image", lambda stack: png_with_header(60_000, 60_000, b"x" * 1_000), "media_too_large"),
    "PNG that needs more than a decoder has": (
        "image",
        lambda stack: png("RGBA", HUNGRY_EDGE_PX),
        "decoder_crashed",
    ),
    "inline over four MiB": ("image", lambda stack: bytes(4 * MEBIBYTE + 1), "media_too_large"),
}


@pytest.mark.parametrize("name", UNDECODABLE)
def test_media_that_cannot_be_decoded(stack: Stack, tag: str, name: str) -> None:
    kind, make, reason = UNDECODABLE[name]
    data = make(stack)
    letter = refused(stack, tag, inline(kind, data), reason)
    assert ("payload" in letter) == (len(data) < 350_000)


@pytest.mark.parametrize("kind", GOOD)
def test_decoders_are_held_to_a_limit_on_memory(stack: Stack, tag: str, kind: str) -> None:
    # One that has just decoded: where the last medium was its end, none is there until the next.
    stack.publish_item(tag, media=[{"kind": kind, "uri": stack.file_uri(GOOD[kind])}])
    stack.await_modalities(tag, kind)
    decoders = children(stack.pid(kind))
    assert decoders
    assert all(address_space_limit_bytes(pid) <= DECODE_MEMORY_BYTES for pid in decoders)


def test_media_that_are_no_base64(stack: Stack, tag: str) -> None:
    refused(stack, tag, {"kind": "image", "data": "no base64!"}, "media_unreadable", "base64")


def test_a_wrong_media_type_does_not_matter(stack: Stack, tag: str) -> None:
    """What a file is, its content says."""
    stack.publish_item(tag, media=[inline("image", png("RGB", 64), media_type="image/jpeg")])
    stack.await_modalities(tag, "image")


def test_a_film_that_never_ends_is_not_read_to_its_end(stack: Stack, tag: str) -> None:
    sent = stack.server.endless_bytes
    refused(stack, tag, {"kind": "video", "uri": stack.server.uri("endless")}, "media_too_large")
    assert stack.server.endless_bytes - sent < VIDEO_MAX_BYTES + 16 * MEBIBYTE


def test_a_film_of_ten_hours_is_served_by_its_beginning(stack: Stack, tag: str) -> None:
    ten_hours = 25 * 3_600 * 10
    film = video_file("matroska", "mpeg4", [10, 200, 90], times=[0, 25, ten_hours])
    stack.publish_item(tag, media=[inline("video", film)])
    stack.await_modalities(tag, "video")


VECTORS: dict[str, tuple[Json, str, str]] = {
    "too short": ({"values": [1.0, 2.0]}, "invalid", "has 2 numbers"),
    "too long": ({"values": [1.0] * 65}, "invalid", "has 65 numbers"),
    "without a direction": ({"values": [0.0] * 64}, "invalid", "no direction"),
    "beyond float64 in length": ({"values": [1e308] * 64}, "invalid", "no direction"),
    "of another encoder": ({"encoder": "somebody-s", "values": [1.0] * 64}, "unknown_encoder", "somebody-s"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_callers_bad_vector(stack: Stack, tag: str, name: str) -> None:
    change, reason, words = VECTORS[name]
    encoder = stack.stream.settings.encoders.image
    good = {"encoder": encoder, "values": [1.0] * 64}
    position = stack.publish_item(f"{tag}-bad", title="A title", vectors={"image": good | change})
    stack.publish_item(f"{tag}-good", vectors={"image": good})
    letter = stack.letter("items", position)
    assert (letter["reason"], letter["stage"]) == (reason, "encode-image")
    assert words in letter["detail"]
    stack.await_modalities(f"{tag}-good", "image")
    stack.await_modalities(f"{tag}-bad", "text")


def test_files_outside_the_roots(stack: Stack, tag: str) -> None:
    outside = stack.media.parent / "secret.jpg"
    outside.write_bytes(stack.file(GOOD["image"]).read_bytes())
    link = stack.media / f"{tag}.jpg"
    link.symlink_to(outside)
    for number, uri in enumerate(
        (outside.as_uri(), f"{stack.media.as_uri()}/../secret.jpg", link.as_uri(), "file:///etc/passwd")
    ):
        refused(stack, f"{tag}-{number}", {"kind": "image", "uri": uri}, "uri_not_allowed")


def test_a_file_that_is_not_there(stack: Stack, tag: str) -> None:
    refused(stack, tag, {"kind": "image", "uri": f"{stack.media.as_uri()}/{tag}.jpg"}, "uri_unreachable")


def test_a_page_that_is_not_there(stack: Stack, tag: str) -> None:
    refused(stack, tag, {"kind": "image", "uri": stack.server.uri(f"{tag}.jpg")}, "uri_unreachable", "404")


@pytest.mark.parametrize(
    "uri", ["ftp://example.com/x.jpg", "data:image/png;base64,AAAA", "no uri at all", "//x"]
)
def test_schemes_that_are_not_read(stack: Stack, tag: str, uri: str) -> None:
    refused(stack, tag, {"kind": "image", "uri": uri}, "uri_not_allowed")


def test_the_metadata_service_is_never_asked(stack: Stack, tag: str) -> None:
    """Not even where an operator allowed the host, and private addresses; by redirect neither."""
    uri = f"http://{METADATA_HOST}/latest/meta-data/"
    words = "is a metadata service: no connection is made to it"
    refused(stack, f"{tag}-1", {"kind": "image", "uri": uri}, "uri_not_allowed", words)
    redirect = stack.server.redirect(f"{tag}-redirect", uri)
    refused(stack, f"{tag}-2", {"kind": "image", "uri": redirect}, "uri_not_allowed", words)


def test_no_connection_to_a_host_that_is_not_allowed(stack: Stack, tag: str) -> None:
    with Forbidden() as forbidden:
        uri = f"http://{forbidden.host}/x.jpg"
        refused(stack, f"{tag}-1", {"kind": "image", "uri": uri}, "uri_not_allowed")
        redirect = stack.server.redirect(f"{tag}-redirect", uri)
        refused(stack, f"{tag}-2", {"kind": "image", "uri": redirect}, "uri_not_allowed")
        assert stack.server.requests[f"{tag}-redirect"] == 1
        assert forbidden.connections == 0


def test_no_connection_to_loopback_by_default(
    kafka: KafkaServer,
    redis_server: RedisServer,
    topic_prefix: str,
    tmp_path: Path,
    media_server: MediaServer,
) -> None:
    """Private addresses are not connected to, although their host is allowed by its name."""
    with Forbidden() as forbidden:
        port = forbidden.host.partition(":")[2]
        hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
        with (
            Stream(
                kafka.bootstrap_servers,
                redis_server.url,
                topic_prefix,
                tmp_path,
                media={"allowed_hosts": hosts, "file_roots": [str(tmp_path)]},
            ) as stream,
            running(stream, media_server, tmp_path, "image") as stack,
        ):
            for host in [*hosts, f"2130706433:{port}", f"0x7f.1:{port}", f"[::ffff:127.0.0.1]:{port}"]:
                medium = {"kind": "image", "uri": f"http://{host}/x.jpg"}
                position = stack.publish_item(f"item at {host}", media=[medium])
                letter = stack.letter("items", position)
                assert (letter["reason"], letter["stage"]) == ("uri_not_allowed", "encode-image")
            stack.publish_item("good", media=[inline("image", png("RGB", 64))])
            stack.await_metric("image", "freshet_encoded_total", lambda count: count == 1)
        assert forbidden.connections == 0


def test_a_decoder_that_dies_while_it_decodes(stack: Stack, tag: str) -> None:
    # So that there is one: where the last medium was its end, none is there until the next.
    stack.publish_item(f"{tag}-before", media=[inline("image", png("RGB", 64))])
    stack.await_modalities(f"{tag}-before", "image")
    (decoder,) = children(stack.pid("image"))
    idle = cpu_ticks(decoder)
    position = stack.publish_item(
        f"{tag}-bad", title="A title", media=[inline("image", png("P", HUNGRY_EDGE_PX))]
    )
    deadline = time.monotonic() + 120
    while cpu_ticks(decoder) < idle + 3:
        assert time.monotonic() < deadline, "nothing is decoded"
    os.kill(decoder, signal.SIGKILL)
    letter = stack.letter("items", position)
    assert (letter["reason"], letter["stage"]) == ("decoder_crashed", "encode-image")
    assert "SIGKILL" in letter["detail"]
    stack.publish_item(f"{tag}-good", media=[inline("image", png("RGB", 64))])
    stack.await_modalities(f"{tag}-good", "image")
    assert children(stack.pid("image")) != [decoder]


def test_a_decoder_that_hangs(stack: Stack, tag: str) -> None:
    sound = {"kind": "audio", "uri": stack.file_uri("sea-waves-*.ogg")}
    # One that has decoded: a child that is stopped while it comes up has much longer.
    stack.publish_item(f"{tag}-before", media=[sound])
    stack.await_modalities(f"{tag}-before", "audio")
    (decoder,) = children(stack.pid("audio"))
    os.kill(decoder, signal.SIGSTOP)
    letter = refused(stack, tag, sound, "decoder_crashed")
    assert "20 s" in letter["detail"]
