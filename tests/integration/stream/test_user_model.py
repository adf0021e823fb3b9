"""A user model on the real stream: it proposes what lists hold, is a reason, and follows each event."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cascade.settings import SOURCES
from models.lifecycle import START, Bundle, ModelRef
from models.ranking.ranker import RankerWeights, encode_weights
from models.signals import catalogue, gates
from streams.codec import decode_value
from streams.records import Outgoing
from streams.topics import ITEM_VECTORS
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, event, item_ids
from tests.integration.stream.models_cli import models_cli
from tests.integration.stream.stack import Stack, contribution, listed, running, unit
from tests.integration.stream.tail import Tail
from tests.unit.swap.random_fusion import write_bundle
from tests.unit.user_models.random_user_model import falsify, write_user_model
from workers.announce_model import AnnouncedModel, announce_bundle
from workers.bundle_archive import pack
from workers.data_folder import models_folder
from workers.encoders_in_use import encoder_registry, fusion_in_use, specs_in_use
from workers.learned_models import learned_records
from workers.model_versions import ModelVersion, live_reports, model_versions
from workers.models_topic import read_lifecycles, wanted_record
from workers.user_models_topic import user_bundle_record, wanted_user_record

ROLES = ("text", "fuse", "profile", "recommend")
TITLES = {
    "lamp": "brass reading lamp",
    "boots": "red leather boots for winter",
    "jazz": "an evening of slow jazz",
    "forest": "walking through an old forest",
    "pan": "cast iron frying pan",
    "camera": "film camera with two lenses",
    "river": "rowing down a quiet river",
    "violin": "violin lessons for children",
    "bread": "baking bread with rye",
    "chess": "chess openings for beginners",
    "tent": "light tent for two people",
    "football": "football match of the week",
    "moon": "the far side of the moon",
    "coffee": "roasting coffee at home",
    "tax": "filling in a tax return",
    "bicycle": "repairing a bicycle chain",
    "cat": "why cats sleep all day",
    "opera": "opera singers of Vienna",
    "desert": "crossing the desert by camel",
    "soap": "soap made of olive oil",
}
LISTED = 5
WEIGHT = 2.0
REASON = "sequence.content"
TIMEOUT_S = 240.0


@pytest.fixture(scope="module")
def stack(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stream whose lists hold what the user model proposes, in the order in which it weighs them.

    The model points away from what a person took: no other source or signal would.
    """
    logs = tmp_path_factory.mktemp("logs")
    folder = logs / "user-model"
    with Stream(
        kafka.bootstrap_servers,
        redis_server.url,
        f"t{secrets.token_hex(4)}.",
        logs,
        recommend={
            "ranker": "cascade",
            "user_model": str(folder),
            "candidates": LISTED,
            "list_count": LISTED,
        },
        models={"folder": str(logs / "models")},
        sources={name: LISTED if name == "user_model" else 0 for name in SOURCES},
    ) as stream:
        fusion = fusion_in_use(stream.settings, encoder_registry(stream.settings))
        write_user_model(folder, fusion.space, fusion.dimension, weighed_by={"weight": -1.0})
        for record in learned_records(
            stream.names.learned, "ranker", _weights(), epoch=1, step=1, learned_at=datetime.now(UTC)
        ):
            stream.producer.send(record.topic, key=record.key, value=record.value).get(30)
        for item_id, title in TITLES.items():
            stream.publish("items", {"item_id": item_id, "title": title}, item_id).get(30)
        with running(stream, None, logs, *ROLES) as stack:  # type: ignore[arg-type]
            stack.await_metric("recommend", "freshet_index_items", lambda items: items == len(TITLES))
            yield stack


def test_lists_hold_what_it_proposes_with_it_as_the_reason_and_follow_the_next_event(stack: Stack) -> None:
    vectors = {item_id: _normalised(unit(stack.await_vector(item_id))) for item_id in TITLES}
    user_id = f"anna-{secrets.token_hex(4)}"
    taken: list[str] = []
    proposed: list[list[str]] = []
    for item_id in ("boots", "violin", "desert"):
        event_id = f"e-{secrets.token_hex(6)}"
        stack.publish("events", event(user_id, event_id, item_id), user_id)
        taken.append(item_id)
        answer = stack.answer(event_id)
        # All are clicks of one weight: the sum of their vectors, turned round.
        wanted = _normalised(-sum(vectors[one] for one in taken))
        cosines = {one: float(vector @ wanted) for one, vector in vectors.items() if one not in taken}
        assert item_ids(answer) == sorted(cosines, key=lambda one: -cosines[one])[:LISTED]
        _check_reasons(answer, cosines)
        proposed.append(item_ids(answer))
    assert proposed[0] != proposed[1] != proposed[2]
    # A request finds the person where the last event left them.
    assert item_ids(stack.ask(user_id, count=LISTED)) == proposed[-1]


def test_a_stranger_is_pointed_nowhere(stack: Stack) -> None:
    answer = stack.ask("nobody", count=LISTED)
    assert len(answer["items"]) == LISTED
    assert not any(contribution(item, REASON) for item in answer["items"])


def test_another_one_comes_without_a_restart_and_each_space_has_its_own(stack: Stack, tmp_path: Path) -> None:
    stream, ours = stack.stream, stack.stream.space
    user_id = f"berta-{secrets.token_hex(4)}"
    event_id = f"e-{secrets.token_hex(6)}"
    stack.publish("events", event(user_id, event_id, "jazz"), user_id)
    away = item_ids(stack.answer(event_id))

    announced = _announce_user_model(stream, tmp_path, "near@1", ours, weight=1.0)
    assert (announced.kind, announced.space) == ("user_model", ours)
    assert models_cli(stream, "activate", "near@1")["state"] == "active"
    near = _nearest_first(_vectors_of(stream, ours), "jazz", 1.0)
    assert near != away
    _await_list(stack, user_id, ours, near)

    # Past the command's own check, which workers make again: they refuse it, and the one before serves on.
    _want(stream, _announce_what_is_false(stream, tmp_path, ours), ours)
    row = _await_row(stream, "false@1", state="refused")
    assert "cosine of -1" in row.detail
    assert item_ids(stack.ask(user_id, count=LISTED)) == near

    # Another fusion, and a user model of its space, which nobody asks for by name.
    specs = specs_in_use(stream.settings, encoder_registry(stream.settings))
    theirs = write_bundle(tmp_path / "shop", {"text": specs["text"]}, seed=1).space
    announce_bundle(stream.settings, tmp_path / "shop", "shop@1", None)
    _announce_user_model(stream, tmp_path, "far@1", theirs, weight=-1.0, dimension=32)
    _want(stream, ModelRef("shop", "1"), None)
    assert _await_row(stream, "far@1", state="active", detail="").kind == "user_model"
    _await_list(stack, user_id, theirs, _nearest_first(_vectors_of(stream, theirs), "jazz", -1.0))
    assert _await_row(stream, "near@1", state="active").detail == f"rests: lists are of the space {theirs}"

    _want(stream, START, None)
    _await_list(stack, user_id, ours, near)
    assert models_cli(stream, "rollback", "--user-model")["model"] == "settings@start"
    _await_list(stack, user_id, ours, away)
    assert stack.letters.values(lambda letter: True) == []


def _announce_user_model(
    stream: Stream, folder: Path, name: str, space: str, *, weight: float, dimension: int | None = None
) -> AnnouncedModel:
    """One that points towards what a person took, or away from it."""
    own = fusion_in_use(stream.settings, encoder_registry(stream.settings)).dimension
    write_user_model(folder / name, space, dimension or own, weighed_by={"weight": weight})
    return announce_bundle(stream.settings, folder / name, name, None)


def _announce_what_is_false(stream: Stream, folder: Path, space: str) -> ModelRef:
    dimension = fusion_in_use(stream.settings, encoder_registry(stream.settings)).dimension
    manifest = write_user_model(folder / "false", space, dimension)
    falsify(folder / "false", manifest, vector=(-np.frombuffer(manifest.samples[0].vector, "<f4")).tobytes())
    data = pack(folder / "false")
    path = models_folder(stream.settings) / "false@1.tar"
    path.write_bytes(data)
    ref = ModelRef("false", "1")
    bundle = Bundle(ref, path.as_uri(), hashlib.sha256(data).hexdigest(), space, dimension)
    _send(stream, user_bundle_record(stream.names, bundle, datetime.now(UTC)))
    return ref


def _want(stream: Stream, ref: ModelRef, space: str | None) -> None:
    """Ask for a fusion, or for a user model of a space."""
    now, names = datetime.now(UTC), stream.names
    _send(
        stream,
        wanted_record(names, ref, now) if space is None else wanted_user_record(names, ref, space, now),
    )


def _send(stream: Stream, record: Outgoing) -> None:
    stream.producer.send(record.topic, key=record.key, value=record.value).get(30)


def _await_row(stream: Stream, model: str, **wanted: str) -> ModelVersion:
    """What `freshet models list` says of a version, once it says so."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        settings = stream.settings
        rows = model_versions(settings, read_lifecycles(settings), live_reports(settings))
        found = next((one for one in rows if one.model == model), None)
        if found is not None and wanted.items() <= asdict(found).items():
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def _await_list(stack: Stack, user_id: str, space: str, items: list[str]) -> None:
    """Ask until a person's list is this one; every list names the space that it is of."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = stack.ask(user_id, count=LISTED)
        if answer["model"] == f"cascade.{space}" and item_ids(answer) == items:
            return
        assert time.monotonic() < deadline, (answer["model"], item_ids(answer), items)
        time.sleep(0.1)


def _vectors_of(stream: Stream, space: str) -> dict[str, NDArray[np.float64]]:
    topic, servers = stream.names.item_vectors(space), stream.settings.kafka.bootstrap_servers
    tail = Tail(servers, topic, lambda value: decode_value(value, ITEM_VECTORS))
    try:
        tail.wait_until(
            lambda: {one.item_id for one in tail.values(lambda one: one.vector is not None)} >= TITLES.keys(),
            TIMEOUT_S,
        )
        return {
            one.item_id: _normalised(unit(one)) for one in tail.values(lambda one: one.vector is not None)
        }
    finally:
        tail.close()


def _nearest_first(vectors: Mapping[str, NDArray[np.float64]], taken: str, sign: float) -> list[str]:
    cosines = {one: sign * float(vector @ vectors[taken]) for one, vector in vectors.items() if one != taken}
    return sorted(cosines, key=lambda one: -cosines[one])[:LISTED]


def _check_reasons(answer: dict[str, Any], cosines: Mapping[str, float]) -> None:
    """The model is the one reason of each, and what it adds grows as the cosine does."""
    ids = item_ids(answer)
    added = np.array([contribution(listed(answer, one), REASON) for one in ids])
    assert added == pytest.approx([one["score"] for one in answer["items"]])
    assert (np.diff(added) < 0).all()
    found = np.array([cosines[one] for one in ids])
    slopes = np.diff(added) / np.diff(found)
    assert slopes == pytest.approx(slopes[0], rel=0.02)


def _weights() -> bytes:
    """A ranker that has learned that the user model is all that counts."""
    names = catalogue.signal_set(with_user_model=True).names
    values = np.zeros((len(gates.NAMES), len(names)), np.float32)
    values[gates.NAMES.index("always"), names.index(catalogue.USER_MODEL)] = WEIGHT
    return encode_weights(RankerWeights(gates.NAMES, names, values))


def _normalised(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)
