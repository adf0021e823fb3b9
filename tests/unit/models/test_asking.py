"""What is wanted, turned away from what is not; and which texts negate."""

from __future__ import annotations

import numpy as np
import pytest

from models.preprocessing.negation import has_negation
from models.ranking.asking import asked_vector

PIANO, VOCALS, DRUMS = np.eye(3, dtype=np.float32)


def test_without_anything_unwanted_it_is_what_is_wanted() -> None:
    assert asked_vector(PIANO, []) is PIANO
    assert asked_vector(None, []) is None


def test_what_is_not_wanted_is_turned_away_from_and_what_is_wanted_stays_nearest() -> None:
    found = asked_vector(PIANO, [VOCALS])
    assert found is not None
    assert float(np.linalg.norm(found)) == pytest.approx(1.0)
    assert float(found @ PIANO) > 0.8
    assert float(found @ VOCALS) < -0.3
    assert float(found @ DRUMS) == pytest.approx(0.0)


def test_what_both_share_is_kept() -> None:
    music = (PIANO + VOCALS) / np.sqrt(np.float32(2))
    found = asked_vector(PIANO, [music])
    assert found is not None
    assert float(found @ PIANO) > 0.9


def test_who_says_only_what_they_do_not_want_is_turned_away_from_it() -> None:
    found = asked_vector(None, [VOCALS])
    assert found is not None
    assert found == pytest.approx(-VOCALS)


@pytest.mark.parametrize(
    "text",
    [
        "quiet piano for the evening, no vocals",
        "Something WITHOUT violence",
        "a film that isn’t sad",
        "ruhige Musik ohne Gesang",
        "kein Krimi",
        "安静的钢琴曲,不要人声",
    ],
)
def test_negations_are_found(text: str) -> None:
    assert has_negation(text)


@pytest.mark.parametrize(
    "text", ["a knot of people", "Notre-Dame", "", "noble knights", "Kanone", "安静的钢琴曲"]
)
def test_words_that_only_look_like_one_are_not(text: str) -> None:
    assert not has_negation(text)
