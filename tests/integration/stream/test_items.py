"""Items of text, pictures, sounds and films: they come, grow, change, cross and go."""

from __future__ import annotations

import base64
import io
import time
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageOps

from streams.internal_messages import ItemVector
from tests.integration.stream.bench import event, item_ids
from tests.integration.stream.stack import Json, Stack, contribution, listed, unit

SHOES, DRESS, ROOSTER, WAVES = "shoes-*.jpg", "dress-*.jpg", "rooster-*.ogg", "sea-waves-*.ogg"
FILM, OTHER_FILM = "*-rooster-*.webm", "*-rain-*.webm"
# What an item of each modality alone is made of: itself, and one that is nothing like it.
ALONE = {
    "text": ("A saxophone trio plays slow jazz ballads", "How to grow tomatoes in the garden"),
    "image": (SHOES, DRESS),
    "audio": (ROOSTER, WAVES),
    "video": (FILM, OTHER_FILM),
}
MEDIA_TYPES = {"image": "image/jpeg", "audio": "audio/ogg", "video": "video/webm"}


def media_file(stack: Stack, name: str = SHOES) -> bytes:
    return stack.file(name).read_bytes()


def inline(kind: str, data: bytes) -> Json:
    return {"kind": kind, "data": base64.b64encode(data).decode(), "media_type": MEDIA_TYPES[kind]}


def alone(stack: Stack, kind: str, name: str, *, as_uri: bool) -> Json:
    """The fields of an item with one modality."""
    if kind == "text":
        return {"title": name}
    if as_uri:
        return {"media": [{"kind": kind, "uri": stack.file_uri(name)}]}
    return {"media": [inline(kind, stack.file(name).read_bytes())]}


@pytest.mark.parametrize("kind", ["text", "image", "audio", "video"])
def test_each_modality_alone_makes_an_item_recommendable(stack: Stack, tag: str, kind: str) -> None:
    first, other = ALONE[kind]
    liked, alike, unlike = f"{tag}-liked", f"{tag}-alike", f"{tag}-unlike"
    stack.publish_item(liked, attributes={"tag": tag}, **alone(stack, kind, first, as_uri=True))
    stack.publish_item(alike, attributes={"tag": tag}, **alone(stack, kind, first, as_uri=False))
    stack.publish_item(unlike, attributes={"tag": tag}, **alone(stack, kind, other, as_uri=True))
    for item_id in (liked, alike, unlike):
        vector = stack.await_modalities(item_id, kind)
        assert np.linalg.norm(unit(vector)) == pytest.approx(1, abs=2e-3)
    stack.await_listed(tag, liked, alike, unlike)

    user = f"{tag}-user"
    stack.publish("events", event(user, f"{tag}-like", liked, action="like"), user)
    answer = stack.ask(user, after_event_id=f"{tag}-like", filter={"tag": tag})
    assert not answer.get("stale", False)
    assert item_ids(answer) == [alike, unlike]
    near, far = (contribution(listed(answer, one), "similar_item", liked) for one in (alike, unlike))
    assert near == pytest.approx(1, abs=0.01)
    assert far < near - 0.05


def test_a_vector_grows_as_modalities_arrive(stack: Stack, tag: str) -> None:
    item_id = f"{tag}-film"
    held = stack.server.put(f"{tag}.webm", media_file(stack, FILM), held=True)
    stack.publish_item(
        item_id,
        title="Rain on a roof",
        attributes={"tag": tag},
        media=[
            {"kind": "image", "uri": stack.file_uri(SHOES)},
            {"kind": "audio", "uri": stack.file_uri(WAVES)},
            {"kind": "video", "uri": held},
        ],
    )
    early = stack.await_modalities(item_id, "text", "image", "audio")
    stack.await_listed(tag, item_id)
    stack.server.release(f"{tag}.webm")
    late = stack.await_modalities(item_id, "text", "image", "audio", "video")
    assert late.version == early.version
    assert late.revision > early.revision
    assert float(unit(early) @ unit(late)) < 0.999
    seen = [set(entry.value.modalities) for entry in stack.vectors.of_key(item_id) if entry.value]
    assert all(earlier <= later for earlier, later in pairwise(seen))


def test_an_item_published_again_replaces_its_older_self(stack: Stack, tag: str) -> None:
    item_id = f"{tag}-item"
    before = {"tag": tag, "colour": "red", "old": True}
    media = [{"kind": "image", "uri": stack.file_uri(SHOES)}]
    stack.publish_item(item_id, title="A jazz trio with saxophone", attributes=before, media=media)
    older = stack.await_modalities(item_id, "text", "image")
    stack.await_answer(lambda answer: item_ids(answer) == [item_id], filter={"tag": tag, "colour": "red"})

    stack.publish_item(item_id, title="Growing tomatoes", attributes={"tag": tag, "colour": "blue"})
    newer = stack.await_modalities(item_id, "text")
    assert newer.version.is_newer_than(older.version)
    assert float(unit(older) @ unit(newer)) < 0.9
    stack.await_answer(lambda answer: item_ids(answer) == [item_id], filter={"tag": tag, "colour": "blue"})
    for gone in ({"colour": "red"}, {"old": True}):
        assert not stack.ask(f"{tag}-user", filter={"tag": tag, **gone})["items"]


def test_a_withdrawn_item_stays_away_while_its_video_is_on_the_way(stack: Stack, tag: str) -> None:
    item_id, other = f"{tag}-gone", f"{tag}-stays"
    film = media_file(stack, FILM)
    media = [{"kind": "video", "uri": stack.server.put(f"{tag}.webm", film, held=True)}]
    for one in (item_id, other):
        stack.publish_item(one, title="A film of rain", attributes={"tag": tag})
    stack.await_listed(tag, item_id, other)
    stack.publish_item(item_id, title="A film of rain", attributes={"tag": tag}, media=media)
    _await_request(stack, f"{tag}.webm")
    stack.withdraw(item_id)
    stack.await_withdrawn(item_id)
    stack.await_listed(tag, other)

    encoded = stack.metric("video", "freshet_encoded_total")
    stack.server.release(f"{tag}.webm")
    stack.await_metric("video", "freshet_encoded_total", lambda count: count > encoded)
    stack.await_metric("video", "freshet_in_flight_records", lambda count: count == 0)
    stack.flush_item(item_id)
    assert stack.vectors.of_key(item_id)[-1].value is None
    assert item_ids(stack.ask(f"{tag}-user", filter={"tag": tag})) == [other]
    assert item_ids(stack.ask(f"{tag}-user", candidates=[item_id])) == []

    # It may come back.
    stack.publish_item(item_id, title="A film of rain", attributes={"tag": tag}, media=media)
    stack.await_modalities(item_id, "text", "video")
    stack.await_listed(tag, item_id, other)


def test_price_and_stock_reach_lists_without_encoding_again(stack: Stack, tag: str) -> None:
    item_id = f"{tag}-item"
    fields: Json = {
        "title": "A pair of shoes",
        "media": [
            inline("image", media_file(stack)),
            {"kind": "audio", "uri": stack.server.put(f"{tag}.ogg", media_file(stack, WAVES))},
        ],
    }
    stack.publish_item(item_id, attributes={"tag": tag, "price": 10.0}, **fields)
    first = stack.await_modalities(item_id, "text", "image", "audio")
    cheap, dear = ({"tag": tag, "price": {name: 50}} for name in ("max", "min"))
    stack.await_answer(lambda answer: item_ids(answer) == [item_id], filter=cheap)

    roles = ("text", "image", "audio")
    encoded = {role: stack.metric(role, "freshet_encoded_total") for role in roles}
    unchanged = {role: stack.metric(role, "freshet_encode_unchanged_total") for role in roles}
    stack.publish_item(item_id, attributes={"tag": tag, "price": 99.0}, **fields)
    stack.await_answer(lambda answer: item_ids(answer) == [item_id], filter=dear)
    assert not stack.ask(f"{tag}-user", filter=cheap)["items"]
    stack.publish_item(item_id, attributes={"tag": tag, "price": 99.0}, available=False, **fields)
    stack.await_listed(tag)
    stack.publish_item(item_id, attributes={"tag": tag, "price": 99.0}, **fields)
    stack.await_listed(tag, item_id)

    for role in roles:
        stack.await_metric(
            role, "freshet_encode_unchanged_total", lambda count, role=role: count == unchanged[role] + 3
        )
        assert stack.metric(role, "freshet_encoded_total") == encoded[role]
    stack.vectors.read_to_end()
    vectors = [entry.value for entry in stack.vectors.of_key(item_id) if entry.value]
    assert vectors[-1].version.offset > first.version.offset
    since = vectors[vectors.index(first) :]
    assert all(one.vector == first.vector for one in since), "the item lost its vector on the way"


def test_other_content_behind_the_same_address_is_encoded(stack: Stack, tag: str) -> None:
    item_id, path = f"{tag}-item", f"{tag}.jpg"
    media = [{"kind": "image", "uri": stack.server.put(path, media_file(stack))}]
    stack.publish_item(item_id, media=media)
    first = stack.await_modalities(item_id, "image")
    stack.server.put(path, _negative(media_file(stack)))
    stack.publish_item(item_id, media=media)
    stack.await_vector(item_id, lambda vector: vector.vector != first.vector and "image" in vector.modalities)


def test_messages_that_cross_end_with_the_newer(stack: Stack, tag: str) -> None:
    item_id, slow = f"{tag}-item", f"{tag}.jpg"
    stack.publish_item(
        item_id,
        title="First",
        attributes={"tag": tag, "edition": 1},
        media=[{"kind": "image", "uri": stack.server.put(slow, _negative(media_file(stack)), held=True)}],
    )
    _await_request(stack, slow)
    encoded = stack.metric("image", "freshet_encoded_total")
    stack.publish_item(
        item_id,
        title="Second",
        attributes={"tag": tag, "edition": 2},
        media=[inline("image", media_file(stack, DRESS))],
    )
    newer = stack.await_vector(
        item_id, lambda one: one.title == "Second" and set(one.modalities) == {"text", "image"}
    )
    # The picture of the first message comes last.
    stack.server.release(slow)
    stack.await_metric("image", "freshet_encoded_total", lambda count: count == encoded + 2)
    stack.await_metric("image", "freshet_in_flight_records", lambda count: count == 0)
    stack.flush_item(item_id)
    newest = stack.vectors.of_key(item_id)[-1].value
    assert newest is not None
    assert (newest.version, newest.vector) == (newer.version, newer.vector)
    assert item_ids(stack.ask(f"{tag}-user", filter={"tag": tag, "edition": 2})) == [item_id]


def test_a_callers_vectors_are_taken_as_they_are(stack: Stack, tag: str) -> None:
    random = np.random.default_rng(7)
    encoders = stack.stream.settings.encoders
    base, far = random.standard_normal(64), random.standard_normal(64)
    near = base + 0.1 * random.standard_normal(64)
    vectors = {f"{tag}-base": base, f"{tag}-near": near, f"{tag}-far": far}
    for item_id, values in vectors.items():
        stack.publish_item(
            item_id,
            attributes={"tag": tag},
            vectors={"image": {"encoder": encoders.image, "values": values.tolist()}},
        )
    fused: dict[str, ItemVector] = {one: stack.await_modalities(one, "image") for one in vectors}
    for item_id, values in vectors.items():
        cosine = base @ values / np.linalg.norm(base) / np.linalg.norm(values)
        assert float(unit(fused[f"{tag}-base"]) @ unit(fused[item_id])) == pytest.approx(cosine, abs=5e-3)
    stack.await_listed(tag, *vectors)
    answer = stack.ask(f"{tag}-user", seed_items=[f"{tag}-base"], filter={"tag": tag})
    assert item_ids(answer) == [f"{tag}-near", f"{tag}-far"]


def test_several_pictures_of_one_item(stack: Stack, tag: str) -> None:
    one, two, both = f"{tag}-1", f"{tag}-2", f"{tag}-both"
    first, second = media_file(stack), media_file(stack, DRESS)
    stack.publish_item(one, media=[inline("image", first)])
    stack.publish_item(two, media=[inline("image", second)])
    stack.publish_item(both, media=[inline("image", first), inline("image", second)])
    vectors = [unit(stack.await_modalities(item_id, "image")) for item_id in (one, two, both)]
    assert vectors[2] @ vectors[0] == pytest.approx(vectors[2] @ vectors[1], abs=5e-3)
    assert vectors[2] @ vectors[0] > vectors[0] @ vectors[1]


def _await_request(stack: Stack, path: str) -> None:
    deadline = time.monotonic() + 120
    while not stack.server.requests[path]:
        assert time.monotonic() < deadline, f"nobody asked for {path}"
        time.sleep(0.02)


def _negative(jpeg: bytes) -> bytes:
    file = io.BytesIO()
    ImageOps.invert(Image.open(io.BytesIO(jpeg)).convert("RGB")).save(file, "JPEG")
    return file.getvalue()
