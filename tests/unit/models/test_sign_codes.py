"""Codes of vectors: the angle between two of them, told by a few bytes."""

from __future__ import annotations

import numpy as np
import pytest

from models.retrieval.sign_codes import (
    code_words,
    differing_bits,
    hyperplanes,
    nearest_codes,
    sign_codes,
)


@pytest.mark.parametrize(("dimension", "words"), [(16, 2), (128, 2), (130, 3), (256, 4)])
def test_a_bit_for_each_dimension_and_enough_to_tell_an_angle(dimension: int, words: int) -> None:
    vectors = np.random.default_rng(1).normal(size=(5, dimension)).astype(np.float32)
    assert sign_codes(vectors).shape == (5, words)
    assert code_words(dimension) == words
    planes = hyperplanes(dimension)
    assert planes @ planes.T == pytest.approx(np.eye(dimension), abs=1e-5)


@pytest.mark.parametrize("dimension", [16, 128, 256])
def test_bits_differ_by_the_share_that_the_angle_is_of_half_a_turn(dimension: int) -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=dimension).astype(np.float32)
    others = (one + random.uniform(0, 3, (2_000, 1)) * random.normal(size=(2_000, dimension))).astype(
        np.float32
    )
    cosines = others @ one / np.linalg.norm(others, axis=1) / np.linalg.norm(one)
    code = sign_codes(one[None])[0]
    share = differing_bits(np.ascontiguousarray(sign_codes(others).T), code) / (64 * len(code))
    errors = share - np.arccos(cosines) / np.pi
    assert abs(errors.mean()) < 0.02
    assert errors.std() < 0.05


def test_the_opposite_differs_in_all_bits_of_which_256_do_not_fit_into_a_byte() -> None:
    vector = np.random.default_rng(3).normal(size=(1, 256)).astype(np.float32)
    there, back = sign_codes(vector), sign_codes(-vector)
    assert differing_bits(back.T, there[0]).tolist() == [256]
    assert differing_bits(there.T, there[0]).tolist() == [0]


def test_length_does_not_matter() -> None:
    vectors = np.random.default_rng(4).normal(size=(50, 128)).astype(np.float32)
    assert (sign_codes(vectors) == sign_codes(np.float32(7.5) * vectors)).all()


@pytest.mark.parametrize(
    ("count", "kept"), [(1, [1]), (2, [1, 3]), (3, [0, 1, 3, 4]), (4, [0, 1, 3, 4]), (5, [0, 1, 2, 3, 4])]
)
def test_as_many_as_asked_for_and_those_that_are_as_near(count: int, kept: list[int]) -> None:
    differing = np.array([40, 10, 128, 20, 40], np.uint16)
    assert np.flatnonzero(nearest_codes(differing, count)).tolist() == kept
