"""A user model on the real stream: it proposes what lists hold, is a reason, and follows each event."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cascade.settings import SOURCES
from models.ranking.ranker import RankerWeights, encode_weights
from models.signals import catalogue, gates
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, event, item_ids
from tests.integration.stream.stack import Stack, contribution, listed, running, unit
from tests.unit.user_models.random_user_model import write_user_model
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.learned_models import learned_records

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
