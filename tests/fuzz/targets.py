"""Where bytes come in from outside, and what may come of any bytes.

A value that holds what it promises, or an error of the documented tree; nothing else, ever.

Each target has seeds, inputs that are well-formed, from which an input that is broken in one place gets far.
"""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import msgspec
import numpy as np
from PIL import Image

from models.encoders.loading import BUNDLED_FOLDER
from models.encoders.manifest import decode_manifest
from models.encoders.onnx_structure import read_structure
from models.errors import MediaTooLargeError, MediaUnreadableError, ModelError, ProfileStateError
from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.limits import MediaLimits
from models.preprocessing.text import item_text
from models.preprocessing.video import decode_video
from models.profile import Profile, decode_profile, encode_profile
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights
from streams import examples
from streams.client import FreshetClient
from streams.codec import decode_value, encode
from streams.errors import BadInputError
from streams.messages import Item
from streams.publish_lines import publish_lines
from streams.records import Outgoing
from streams.topics import TOPICS
from tests.unit.encoders import tiny_onnx
from tests.unit.preprocessing.media_samples import quadrants, saved, sound_file, tone, video_file
from workers.media.addresses import why_refused

_LIMITS = MediaLimits(max_bytes=1 << 20, max_pixels=1 << 20, max_seconds=2.0, max_frames=40, deadline_s=5.0)
_MEDIA_ERRORS = (MediaTooLargeError, MediaUnreadableError)
_SIZE_PX = 32


@dataclass(frozen=True, slots=True)
class Target:
    """One place.

    Attributes:
        run: Takes any bytes; raises one of ``allowed``, or AssertionError where a promise is broken.
        seeds: Inputs that are accepted.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    allowed: tuple[type[Exception], ...]
    max_bytes: int = 4_096

    def __call__(self, data: bytes) -> bool:
        """Run on any bytes; whether they were accepted."""
        try:
            self.run(data)
        except self.allowed:
            return False
        return True


def _message(data: bytes) -> None:
    """The first byte picks the topic. What was read is written and read again, and is the same."""
    if not data:
        return
    topic = TOPICS[data[0] % len(TOPICS)]
    message = decode_value(data[1:], topic)
    again = decode_value(encode(message), topic)
    # NaN is refused by every field, so equality is sameness.
    assert again == message, f"{topic.name}: {message!r} is read back as {again!r}"


@cache
def _message_seeds() -> Sequence[bytes]:
    seeds = []
    for number, topic in enumerate(TOPICS):
        for example in topic.examples:
            if example.value is not None:
                value = msgspec.json.encode(example.value)
                if topic.encoding == "msgpack":
                    typed: object = msgspec.json.decode(value, type=topic.value_type)
                    value = msgspec.msgpack.encode(typed)
                seeds.append(bytes([number]) + value)
    return seeds


def _profile(data: bytes) -> None:
    profile = decode_profile(data)
    assert decode_profile(encode_profile(profile)) == profile
    assert len(profile.history) == len(profile.item_ids)


def _weights(data: bytes) -> None:
    held = decode_weights(data, ("all",), ("taste", "age"))
    assert held.values.shape == (1, 2)
    assert np.isfinite(held.values).all()


def _image(data: bytes) -> None:
    pixels = decode_image(data, _SIZE_PX, _LIMITS)
    assert pixels.shape == (_SIZE_PX, _SIZE_PX, 3)
    assert pixels.dtype == np.uint8


def _audio(data: bytes) -> None:
    samples = decode_audio(data, _LIMITS)
    assert samples.ndim == 1
    assert len(samples) <= _LIMITS.max_seconds * 16_000 + 1
    assert np.isfinite(samples).all()
    assert np.abs(samples).max(initial=0.0) <= 1.0


def _video(data: bytes) -> None:
    frames, sound = decode_video(data, _SIZE_PX, 3, _LIMITS)
    assert 1 <= len(frames) <= 3
    assert frames.shape[1:] == (_SIZE_PX, _SIZE_PX, 3)
    assert sound is None or np.isfinite(sound).all()


def _image_seeds() -> Sequence[bytes]:
    kinds = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
    return [*(saved(quadrants(), kind) for kind in kinds), saved(Image.new("P", (9, 7)), "PNG")]


def _sound_seeds() -> Sequence[bytes]:
    samples = tone(0.2)
    kinds = (("wav", "pcm_s16le"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("flac", "flac"))
    return [sound_file(container, codec, samples) for container, codec in kinds]


def _video_seeds() -> Sequence[bytes]:
    greys = (10, 80, 160, 240)
    kinds = (("mp4", "mpeg4"), ("matroska", "mpeg4"), ("gif", "gif"))
    return [video_file(container, codec, greys, size=(32, 32)) for container, codec in kinds]


def _text(data: bytes) -> None:
    title, _, description = data.decode(errors="replace").partition("\n")
    cleaned = item_text(title, description, 500)
    assert len(cleaned) <= 500
    assert "\x00" not in cleaned


class _Client:
    """Takes whatever is published."""

    def publish(self, records: Iterable[Outgoing]) -> int:
        return sum(1 for _ in records)


def _lines(data: bytes) -> None:
    """No line of a file stops those after it: each is sent, or told with its number."""
    told: list[int] = []
    counts = publish_lines(
        cast(FreshetClient, _Client()), "items", Item, io.BytesIO(data), lambda bad: told.append(bad.number)
    )
    assert counts.bad == len(told)
    assert told == sorted(set(told))
    assert counts.published + counts.bad == sum(bool(line.strip()) for line in data.split(b"\n"))


def _line_seeds() -> Sequence[bytes]:
    items = [one.value for one in examples.ITEMS if one.value is not None]
    return [b"\n".join(msgspec.json.encode(item) for item in items)]


def _manifest(data: bytes) -> None:
    decode_manifest(data, "manifest")


def _bundled(name: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(BUNDLED_FOLDER.glob(f"*/{name}"))]


def _onnx(data: bytes) -> None:
    structure = read_structure(data, "graph")
    assert structure.opset > 0


def _small_graphs() -> Sequence[bytes]:
    cast_node = tiny_onnx.tensor_cast("in", "out")
    deep = tiny_onnx.graph([cast_node])
    for _ in range(4):
        deep = tiny_onnx.graph([tiny_onnx.subgraph_node(deep)])
    value = tiny_onnx.value_info("in", tiny_onnx.FLOAT, ["batch", 3])
    outside = tiny_onnx.constant_node("c", tiny_onnx.external_tensor("c"))
    return [
        tiny_onnx.model([cast_node], [value], [value]),
        tiny_onnx.model([tiny_onnx.subgraph_node(deep)], [value], [value]),
        tiny_onnx.model([outside], [value], [value], opsets=(("", 17), ("custom", 1))),
    ]


def _address(data: bytes) -> None:
    """Only addresses of the open internet are allowed, and none that carries another one's IPv4 address."""
    if len(data) not in (4, 16):
        return
    address = ipaddress.ip_address(data)
    if why_refused(str(address), allow_private=False) is not None:
        return
    assert address.is_global
    if len(data) == 16 and data[:12] in _IPV4_PREFIXES:
        assert ipaddress.IPv4Address(data[12:]).is_global
    if len(data) == 16 and data[:2] == b"\x20\x02":
        assert ipaddress.IPv4Address(data[2:6]).is_global


_IPV4_PREFIXES = (
    bytes(10) + b"\xff\xff",  # mapped, RFC 4291
    b"\x00\x64\xff\x9b" + bytes(8),  # NAT64, RFC 6052
    bytes(12),  # compatible, RFC 4291
)


def _address_seeds() -> Sequence[bytes]:
    texts = (
        "93.184.216.34",
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fd00::1",
    )
    return [ipaddress.ip_address(text).packed for text in texts]


TARGETS = {
    target.name: target
    for target in (
        Target("messages", _message, _message_seeds, (BadInputError,)),
        Target(
            "profiles",
            _profile,
            lambda: [encode_profile(Profile("anna", 3))],
            (ProfileStateError,),
        ),
        Target(
            "weights",
            _weights,
            lambda: [encode_weights(RankerWeights(("all",), ("taste", "age"), np.ones((1, 2), np.float32)))],
            (ModelError,),
        ),
        Target("images", _image, _image_seeds, _MEDIA_ERRORS, 16_384),
        Target("sounds", _audio, _sound_seeds, _MEDIA_ERRORS, 32_768),
        Target("videos", _video, _video_seeds, _MEDIA_ERRORS, 32_768),
        Target("texts", _text, lambda: [b"A <b>lamp</b>\nwarm &amp; bright"], ()),
        Target("manifests", _manifest, _bundled("manifest.json"), (ModelError,)),
        Target("graphs", _onnx, _small_graphs, (ModelError,)),
        Target("addresses", _address, _address_seeds, (), 16),
        Target("lines", _lines, _line_seeds, ()),
    )
}
