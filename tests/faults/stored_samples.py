"""A sample of everything that workers of different releases read of each other, in Kafka and in Redis.

`python -m tests.faults.stored_samples` writes them as the release that is on the path does, as JSON: by name,
base64. With such JSON on its input and `--read` it reads those, and writes in its own way what it understood.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models.cascade.trained import TrainedItem2Vec, TrainedSequence
from models.profile import decode_profile, encode_profile
from models.profile.state import Profile
from models.ranking.objectives import ObjectiveHead
from models.ranking.online import OnlineLearner, OnlineSettings
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights
from models.sequence import item_regression
from models.sequence.attribute_columns import AttributeColumns
from models.sequence.item2vec import Item2Vec, Item2VecSettings
from models.sequence.item_regression import ItemRegression
from models.sequence.model import SequenceModel
from models.sequence.settings import SequenceSettings
from streams.codec import decode_value, encode
from streams.internal_messages import ItemVersion
from streams.topics import TOPICS, Topic
from workers.model_reports import ModelReport
from workers.profiles_to_weights import WriterState
from workers.state.exposures import (
    Exposures,
    JoinEvent,
    Owed,
    ShownList,
    decode_exposures,
    encode_exposures,
)
from workers.state.item import ItemState, StoredFeature, decode_item_state, encode_item_state

VERSION = ItemVersion(1, 7, 1_041, 1_795_515_330_250)
SHAPE = (2, 3)
GATES, SIGNALS = ("always", "new"), ("content", "popularity", "together")
SEQUENCE = SequenceSettings(dimension=8, heads=2)
ITEM2VEC = Item2VecSettings(dimension=8)
ITEM_IDS = ("a", "b", "c")


@dataclass(frozen=True)
class Sample:
    """Something as this release writes it, and how it writes what it has read of another's.

    ``read_again`` raises where this release refuses it.
    """

    written: bytes
    read_again: Callable[[bytes], bytes]


def samples() -> dict[str, Sample]:
    """All of them, by name."""
    return {**_messages(), **_states(), **_learned()}


def _messages() -> dict[str, Sample]:
    found = {}
    for topic in TOPICS:
        for number, example in enumerate(topic.examples):
            if example.value is not None:
                message = msgspec.json.decode(json.dumps(example.value), type=topic.value_type)
                found[f"{topic.name} {number}"] = _message(topic, message)
    return found


def _message(topic: Topic[Any], message: Any) -> Sample:
    return Sample(encode(message), lambda value: encode(decode_value(value, topic)))


def _states() -> dict[str, Sample]:
    profile = Profile("anna", 1, ("a",), b"\0", _float32(1.0), bytes(8), ("click",), (1,), 1, since_ms=5)
    feature = StoredFeature(VERSION, "text-1", "source", "content", _float32(0.5))
    item = ItemState(3, VERSION, title="A", sources={"text": "source"}, features={"text": feature})
    shown = ShownList("list", 1, 2, "base", None, None, ("a",), (0.5,))
    event = JoinEvent("e-1", "a", "click", 1.0, 3, 4, "list")
    exposures = Exposures("anna", 1, (shown,), (event,), owed=(Owed("events", 9, b"{}"),))
    report = ModelReport(role="recommend", serving="a@1", space="a")
    return {
        "profile": Sample(encode_profile(profile), lambda value: encode_profile(decode_profile(value))),
        "item": Sample(encode_item_state(item), lambda value: encode_item_state(decode_item_state(value))),
        "exposures": Sample(
            encode_exposures(exposures), lambda value: encode_exposures(decode_exposures("anna", value))
        ),
        "version": _packed(VERSION),
        "model report": Sample(
            msgspec.json.encode(report),
            lambda value: msgspec.json.encode(msgspec.json.decode(value, type=ModelReport)),
        ),
    }


def _learned() -> dict[str, Sample]:
    start = np.ones(SHAPE, np.float32)
    weights = RankerWeights(GATES, SIGNALS, start, {"sales": start})
    regression = ItemRegression(ITEM_IDS, np.arange(9, dtype=np.float32).reshape(3, 3))
    sequence = TrainedSequence(
        SequenceModel(len(ITEM_IDS), SEQUENCE), list(ITEM_IDS), AttributeColumns(words=(("colour", "red"),))
    )
    item2vec = TrainedItem2Vec(Item2Vec(len(ITEM_IDS), ITEM2VEC), list(ITEM_IDS))
    return {
        "writer": _packed(WriterState({0: 5}, b"learner")),
        "online learner": Sample(OnlineLearner(start, OnlineSettings()).state(), _online_again),
        "objective": Sample(ObjectiveHead(SHAPE, OnlineSettings()).state(), _objective_again),
        "ranker": Sample(
            encode_weights(weights), lambda value: encode_weights(decode_weights(value, GATES, SIGNALS))
        ),
        "regression": Sample(
            item_regression.encode(regression, 3),
            lambda value: item_regression.encode(item_regression.decode(value), 3),
        ),
        "sequence": Sample(sequence.encode(), lambda value: TrainedSequence.decode(value, SEQUENCE).encode()),
        "item2vec": Sample(item2vec.encode(), lambda value: TrainedItem2Vec.decode(value, ITEM2VEC).encode()),
    }


def _online_again(value: bytes) -> bytes:
    learner = OnlineLearner(np.zeros(SHAPE, np.float32), OnlineSettings())
    learner.restore(value)
    return learner.state()


def _objective_again(value: bytes) -> bytes:
    head = ObjectiveHead(SHAPE, OnlineSettings())
    head.restore(value)
    return head.state()


def _packed(struct: msgspec.Struct) -> Sample:
    pack, kind = msgspec.msgpack.encode, type(struct)
    return Sample(pack(struct), lambda value: pack(msgspec.msgpack.decode(value, type=kind)))


def _float32(number: float) -> bytes:
    return np.array([number], "<f4").tobytes()


def as_text(written: dict[str, bytes]) -> str:
    """For another process."""
    return json.dumps({name: base64.b64encode(value).decode() for name, value in written.items()})


def from_text(text: str) -> dict[str, bytes]:
    """What `as_text` wrote."""
    return {name: base64.b64decode(value) for name, value in json.loads(text).items()}


def read_again(written: dict[str, bytes]) -> dict[str, bytes]:
    """What another release wrote, as this one writes it once it has read it."""
    known = samples()
    return {name: known[name].read_again(value) for name, value in written.items()}


if __name__ == "__main__":
    if sys.argv[1:] == ["--read"]:
        print(as_text(read_again(from_text(sys.stdin.read()))))
    else:
        print(as_text({name: sample.written for name, sample in samples().items()}))
