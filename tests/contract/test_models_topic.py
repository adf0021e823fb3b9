"""Records of user models in `models`: apart from those of fusions, passed over by a release before them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from models.lifecycle import START, Bundle, Lifecycle, ModelRef
from models.lifecycles import Lifecycles
from streams.errors import BadInputError
from streams.model_messages import ActiveModel, ModelBundle, RefusedModel, WantedModel
from streams.records import Outgoing
from streams.topic_names import TopicNames
from streams.topics import MODELS
from workers.models_topic import all_taken, bundle_record, parse_ref, taken
from workers.user_models_topic import active_user_record, user_bundle_record, wanted_user_record

TOPICS, NOW = TopicNames("t."), datetime(2026, 11, 24, tzinfo=UTC)
TASTE = Bundle(ModelRef("taste", "1"), "s3://models/taste@1.tar", "a" * 64, "gated-1b4f0e98", 256)
SPACE = (TASTE.space, TASTE.dimension)
RECORDS = [
    user_bundle_record(TOPICS, TASTE, NOW),
    wanted_user_record(TOPICS, TASTE.ref, TASTE.space, NOW),
    active_user_record(TOPICS, TASTE.ref, SPACE, TASTE, START, NOW),
]
# What a release of before there were user models decodes.
BEFORE = ModelBundle | ActiveModel | WantedModel | RefusedModel


@pytest.mark.parametrize("record", RECORDS)
def test_a_release_before_them_passes_them_over(record: Outgoing) -> None:
    assert record.key is not None
    assert record.value is not None
    with pytest.raises(msgspec.ValidationError, match="type"):
        msgspec.json.decode(record.value, type=BEFORE)
    # Nor do they take the place of a record that it reads, once Kafka has compacted the topic.
    assert record.key not in (b"active", b"wanted")
    if b" " in record.key:
        with pytest.raises(BadInputError):
            parse_ref(record.key.decode())


def test_they_are_in_the_contract_as_they_are_written() -> None:
    examples = {example.value["type"]: example for example in MODELS.examples if example.value is not None}
    for record in RECORDS:
        written = json.loads(record.value or b"")
        example = examples[written["type"]]
        assert example.value is not None
        assert written.keys() == example.value.keys()
        assert record.key == (example.key or "").encode()


def test_what_is_said_of_user_models_is_read_and_says_nothing_of_fusions() -> None:
    state, fusions = Lifecycles(), Lifecycle()
    for place, record in enumerate(RECORDS):
        state = all_taken(state, record.key, record.value, place)
        fusions = taken(fusions, record.key, record.value, place)
    users = state.users_of(TASTE.space)
    assert (users.active_ref, users.previous, users.bundle(TASTE.ref)) == (TASTE.ref, START, TASTE)
    assert state.fusions == fusions == Lifecycle()
    # Nulls: of pointers they say nothing, of an announcement they take it back.
    for record in RECORDS[1:]:
        assert all_taken(state, record.key, None, 9) == state
    withdrawn = all_taken(state, RECORDS[0].key, None, 9).users_of(TASTE.space)
    assert (withdrawn.bundles, withdrawn.active_ref) == ({}, TASTE.ref)


def test_a_version_that_is_announced_as_another_kind_is_that_alone() -> None:
    state = all_taken(Lifecycles(), RECORDS[0].key, RECORDS[0].value, 0)
    other = bundle_record(TOPICS, TASTE, NOW)
    state = all_taken(state, other.key, other.value, 1)
    assert (state.user_spaces(TASTE.ref), state.fusions.is_known(TASTE.ref)) == ([], True)
