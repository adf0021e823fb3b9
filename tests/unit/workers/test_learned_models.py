"""Learned models in parts: complete ones only, the newest only."""

from __future__ import annotations

import random

import pytest
from aiokafka import ConsumerRecord

from streams.records import Outgoing
from tests.unit.workers.fakes import NOW
from workers import learned_models
from workers.learned_models import LearnedReader, learned_records


def read(record: Outgoing) -> ConsumerRecord:
    return ConsumerRecord("learned", 0, 0, 0, 0, record.key, record.value, None, 0, 0, ())


def records(payload: bytes, *, epoch: int = 1, step: int = 1, model: str = "ranker") -> list[ConsumerRecord]:
    made = learned_records("learned", model, payload, epoch=epoch, step=step, learned_at=NOW)
    return [read(one) for one in made]


class Taken:
    def __init__(self) -> None:
        self.models: list[tuple[str, int, int, bytes]] = []
        self.reader = LearnedReader(lambda *model: self.models.append(model))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    monkeypatch.setattr(learned_models, "PART_BYTES", 4)
    return Taken()


def test_a_model_is_taken_once_all_its_parts_are_there_in_any_order(taken: Taken) -> None:
    parts = records(b"0123456789")
    assert len(parts) == 3
    random.Random(5).shuffle(parts)
    taken.reader.take(parts[:2])
    assert taken.models == []
    taken.reader.take(parts[2:])
    assert taken.models == [("ranker", 1, 1, b"0123456789")]
    taken.reader.take(parts)
    assert len(taken.models) == 1


def test_older_steps_and_epochs_are_passed_over_and_parts_of_two_steps_never_mix(taken: Taken) -> None:
    newer, older = records(b"aaaabbbb", step=2), records(b"xxxxyyyy", step=1)
    taken.reader.take([older[0], newer[0], older[1], newer[1]])
    assert taken.models == [("ranker", 1, 2, b"aaaabbbb")]
    zombie, successor = records(b"late", step=9), records(b"next", epoch=2, step=3)
    taken.reader.take([*successor, *zombie])
    assert taken.models[1:] == [("ranker", 2, 3, b"next")]
    assert taken.reader.epoch == 2


def test_models_are_apart_and_what_cannot_be_read_is_passed_over(taken: Taken) -> None:
    bad = ConsumerRecord("learned", 0, 0, 0, 0, b"k", b"\xc1", None, 0, 0, ())
    gone = ConsumerRecord("learned", 0, 0, 0, 0, b"k", None, None, 0, 0, ())
    taken.reader.take([bad, gone, *records(b""), *records(b"two", model="sequence")])
    assert taken.models == [("ranker", 1, 1, b""), ("sequence", 1, 1, b"two")]
