"""A fusion's pairs may be of one sitting: events no further apart than a window."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from scipy.sparse import csr_array  # noqa: E402

from models.datasets.interactions import Histories  # noqa: E402
from models.errors import TrainingError  # noqa: E402
from models.training.fusion_training import (  # noqa: E402
    FusionSettings,
    FusionTraining,
    embed,
    item_inputs,
)
from models.training.pairs_in_time import PairsInTime  # noqa: E402

START_MS = 1_700_000_000_000


def histories(*events: tuple[int, int, float, float]) -> Histories:
    """Of (person, item, weight, second)."""
    users, items, weights, seconds = (np.array(column) for column in zip(*events, strict=True))
    times_ms = START_MS + (1_000 * seconds).astype(np.int64)
    return Histories(users.astype(np.int64), items.astype(np.int64), weights.astype(np.float32), times_ms)


def drawn(pairs: PairsInTime, person: int, count: int = 9) -> set[tuple[int, frozenset[int]]]:
    """All that comes of many draws: the item, and the others."""
    random = np.random.default_rng(0)
    found = [pairs.draw(person, count, random) for _ in range(100)]
    assert all(len(set(one.tolist())) == len(one) for one in found)
    return {(int(one[0]), frozenset(one[1:].tolist())) for one in found}


def test_what_is_near_is_within_the_window_before_or_after() -> None:
    done = [(0, 5, 1.0, 0.0), (0, 6, 1.0, 60.0), (0, 7, 1.0, 120.0), (0, 8, 1.0, 180.5)]
    pairs = PairsInTime(histories(*done, (1, 9, 1.0, 181.0)), window_s=60.0)
    assert drawn(pairs, 0) == {(5, frozenset({6})), (6, frozenset({5, 7})), (7, frozenset({6}))}
    assert {len(others) for _, others in drawn(pairs, 0, count=1)} == {1}


def test_dislikes_and_the_same_item_again_are_no_pair() -> None:
    found = PairsInTime(
        histories(
            (0, 5, 1.0, 0.0),
            (0, 5, 1.0, 1.0),
            (0, 6, -1.0, 2.0),
            (2, 5, 1.0, 0.0),
            (2, 5, 1.0, 1.0),
            (2, 7, 0.5, 2.0),
        ),
        window_s=10.0,
    )
    assert found.people.tolist() == [2]
    assert drawn(found, 2) == {(5, frozenset({7})), (7, frozenset({5}))}


def test_where_nobody_has_two_items_so_near_there_is_nothing_to_learn() -> None:
    far = histories((0, 5, 1.0, 0.0), (0, 6, 1.0, 100.0), (1, 7, 1.0, 101.0))
    with pytest.raises(TrainingError, match="within 60 s"):
        PairsInTime(far, 60.0)
    with pytest.raises(TrainingError, match="within 60 s"):
        PairsInTime(far.only(np.zeros(3, np.bool_)), 60.0)


KINDS, EACH, PEOPLE = 6, 8, 120


def sittings() -> tuple[csr_array, dict[str, NDArray[np.float32]], Histories]:
    """Everybody takes things of two kinds, of one in the morning and of the other in the evening."""
    random = np.random.default_rng(0)
    features = np.eye(KINDS, 16, dtype=np.float32)[np.arange(KINDS * EACH) % KINDS]
    features = features + 0.1 * random.standard_normal(features.shape).astype(np.float32)
    events = []
    for person in range(PEOPLE):
        kind = person % KINDS
        for hour, of in ((0.0, kind), (10.0, (kind + 1) % KINDS)):
            items = of + KINDS * random.permutation(EACH)[:3]
            events += [(person, int(item), 1.0, 3_600.0 * hour + place) for place, item in enumerate(items)]
    done = histories(*events)
    ones = np.ones(len(done), np.float32)
    return csr_array((ones, (done.users, done.items)), (PEOPLE, KINDS * EACH)), {"text": features}, done


def test_what_one_sitting_brings_together_is_nearer_than_what_a_day_does() -> None:
    train, features, done = sittings()

    def nearness(window_s: float | None) -> float:
        """The cosine of one kind with the next, which the same people take at another hour."""
        settings = FusionSettings(
            dimension=16, hidden=16, epochs=10, batch_people=40, negatives=48, window_s=window_s
        )
        training = FusionTraining(settings, train, features, 1, histories=done)
        vectors = embed(training.run(), item_inputs(features))
        kinds = np.stack([vectors[kind::KINDS].mean(0) for kind in range(KINDS)])
        kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
        return float((kinds * np.roll(kinds, 1, axis=0)).sum(1).mean())

    assert nearness(60.0) < nearness(None) - 0.2


def test_a_window_needs_times() -> None:
    train, features, _ = sittings()
    with pytest.raises(TrainingError, match="times of events, which the data set lacks"):
        FusionTraining(FusionSettings(window_s=60.0), train, features, 1)
