"""A stack of all roles that the tests of this folder share; each test takes ids of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import REPOSITORY, Stream
from tests.integration.stream.media_server import MediaServer
from tests.integration.stream.stack import ROLES, Stack, running

MEBIBYTE = 1 << 20
CATALOGUE_MEDIA = REPOSITORY / "deploy" / "demo" / "catalogue" / "media"
METADATA_HOST = "169.254.169.254"
VIDEO_MAX_BYTES = 8 * MEBIBYTE
DECODE_MEMORY_BYTES = 512 * MEBIBYTE
IN_FLIGHT_BYTES = 16 * MEBIBYTE


@dataclass(frozen=True)
class Address:
    """All that a plain Kafka client needs to know."""

    bootstrap_servers: str
    prefix: str


@pytest.fixture(scope="session")
def media_server() -> Iterator[MediaServer]:
    """Serves media on loopback."""
    with MediaServer() as server:
        yield server


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the stack may read: the demo's pictures, sounds and films."""
    return Path(shutil.copytree(CATALOGUE_MEDIA, tmp_path_factory.mktemp("allowed") / "media"))


@pytest.fixture(scope="session")
def stack(
    kafka: KafkaServer,
    redis_server: RedisServer,
    media_server: MediaServer,
    media_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """All roles, each a process, started once."""
    media = {
        "file_roots": [str(media_folder)],
        # The metadata service is named on purpose: it must be refused all the same.
        "allowed_hosts": [media_server.host, METADATA_HOST],
        "allow_private_addresses": True,
        "video_max_bytes": VIDEO_MAX_BYTES,
        "decode_timeout_s": 20.0,
        "decode_memory_bytes": DECODE_MEMORY_BYTES,
        "fetch_deadline_s": 120.0,
    }
    with (
        Stream(
            kafka.bootstrap_servers,
            redis_server.url,
            f"t{secrets.token_hex(4)}.",
            tmp_path_factory.mktemp("logs"),
            media=media,
            worker={"max_in_flight_bytes": IN_FLIGHT_BYTES},
            # Long enough that an event is applied on a busy machine, too.
            # The base scorer, whose scores can be worked out by hand; the cascade has a stream of its own.
            recommend={"ranker": "base", "after_event_wait_ms": 10_000, "popularity_refresh_s": 0.2},
        ) as stream,
        running(stream, media_server, media_folder, *ROLES) as stack,
    ):
        yield stack


@pytest.fixture(scope="session")
def running_stream(stack: Stack) -> Address:
    """Where the shared stack is, for a client that knows nothing of Freshet."""
    return Address(stack.stream.settings.kafka.bootstrap_servers, stack.stream.prefix)


@pytest.fixture
def tag() -> str:
    """An id that no other test has: for items, users and the attribute that their items share."""
    return f"x{secrets.token_hex(4)}"
