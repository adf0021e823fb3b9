"""One contract for every user model: what a person's vectors depend on, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DimensionError
from models.profile.state import Profile
from models.profile.taste import TasteSettings, taste
from models.user import DecayedMean, MultiInterest, UserHistory, UserModel
from models.user.inputs import COLUMNS, entry_inputs
from models.user.multi_interest import INTERESTS
from models.user.sequence import SequenceUserModel
from tests.unit.user_models.random_user_model import some_history, write_user_model

DIMENSION = 16
Make = Callable[[], UserModel]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SequenceUserModel:
    folder: Path = tmp_path_factory.mktemp("bundle")
    write_user_model(folder, dimension=DIMENSION)
    return SequenceUserModel(folder)


@pytest.fixture(scope="module", params=["decayed mean", "multi interest", "sequence"])
def user_model(request: pytest.FixtureRequest, trained: SequenceUserModel) -> UserModel:
    known: dict[str, UserModel] = {
        "decayed mean": DecayedMean(),
        "multi interest": MultiInterest(),
        "sequence": trained,
    }
    return known[request.param]


def entries(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, item vectors, weights and ages of a history; no two of one age."""
    history = some_history(count, DIMENSION, seed)
    return np.arange(count), history.vectors, history.weights, history.ages_s


@given(st.integers(1, 30), st.integers(0, 1_000))
@settings(max_examples=30)
def test_vectors_are_of_unit_length_and_finite(user_model: UserModel, count: int, seed: int) -> None:
    found = user_model.user_vectors(some_history(count, DIMENSION, seed))
    assert found.dtype == np.float32
    assert found.shape[1] == DIMENSION
    assert len(found) <= INTERESTS
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_an_empty_history_has_no_vector(user_model: UserModel) -> None:
    assert user_model.user_vectors(some_history(0, DIMENSION)).shape == (0, DIMENSION)


@given(st.integers(1, 20), st.integers(0, 1_000))
@settings(max_examples=30)
def test_the_order_in_which_entries_come_is_no_matter(user_model: UserModel, count: int, seed: int) -> None:
    rows, matrix, weights, ages_s = entries(count, seed)
    shuffled = np.random.default_rng(seed).permutation(count)
    one = user_model.user_vectors(UserHistory.of(rows, matrix, weights, ages_s))
    other = user_model.user_vectors(
        UserHistory.of(rows[shuffled], matrix, weights[shuffled], ages_s[shuffled])
    )
    np.testing.assert_array_equal(one, other)


@given(st.integers(1, 12), st.integers(0, 8), st.integers(0, 1_000))
@settings(max_examples=30)
def test_entries_without_a_vector_are_as_if_they_were_not(
    user_model: UserModel, count: int, unknown: int, seed: int
) -> None:
    rows, matrix, weights, ages_s = entries(count, seed)
    random = np.random.default_rng(seed)
    # Some items are not in the index, and one is there without a vector.
    matrix = np.vstack([matrix, np.zeros((1, DIMENSION), np.float32)])
    places = np.sort(random.integers(0, count + 1, unknown))
    others = random.choice([-1, count], unknown)
    mixed = UserHistory.of(
        np.insert(rows, places, others),
        matrix,
        np.insert(weights, places, np.float32(2)),
        np.insert(ages_s, places, np.concatenate([ages_s, ages_s[-1:]])[places]),
    )
    plain = UserHistory.of(rows, matrix, weights, ages_s)
    assert len(mixed) == count
    np.testing.assert_array_equal(user_model.user_vectors(mixed), user_model.user_vectors(plain))


def test_what_was_liked_is_nearer_than_what_was_disliked() -> None:
    axes = np.eye(2, DIMENSION, dtype=np.float32)
    history = UserHistory(axes, np.array([1.0, -1.0], np.float32), np.array([60.0, 1.0]))
    for user_model in (DecayedMean(), MultiInterest()):
        cosines = user_model.user_vectors(history) @ axes.T
        assert cosines[0, 0] > 0.5
        assert cosines[0, 1] <= 0.0


def test_the_decayed_mean_is_the_taste() -> None:
    rows, matrix, weights, ages_s = entries(9, seed=4)
    now_ms = 1_700_000_000_000
    times_ms = (now_ms - ages_s * 1_000.0).astype(np.int64)
    profile = Profile(
        "u",
        item_ids=tuple(f"i{row}" for row in rows),
        action_codes=bytes(len(rows)),
        weights=weights.tobytes(),
        times_ms=times_ms.tobytes(),
        action_names=("click",),
        action_counts=(len(rows),),
    )
    chosen = TasteSettings(short_half_life_hours=0.02)
    known = taste(profile, {f"i{row}": row for row in rows}, matrix, now_ms, chosen)
    assert known is not None
    (found,) = DecayedMean(chosen).user_vectors(UserHistory.of(rows, matrix, weights, ages_s))
    np.testing.assert_allclose(found, known.vector / np.linalg.norm(known.vector), atol=1e-4)


def test_two_interests_are_two_vectors_the_heavier_first() -> None:
    axes = np.eye(2, DIMENSION, dtype=np.float32)
    history = UserHistory(axes[[0, 1, 1]], np.array([1.0, 2.0, 2.0], np.float32), np.array([3.0, 2.0, 1.0]))
    np.testing.assert_allclose(MultiInterest().user_vectors(history), axes[::-1], atol=1e-6)


def test_only_the_newest_entries_are_read(tmp_path: Path) -> None:
    import msgspec

    from models.user.bundle import write_user_manifest

    manifest = write_user_model(tmp_path, dimension=DIMENSION)
    write_user_manifest(msgspec.structs.replace(manifest, history_entries=4), tmp_path)
    short = SequenceUserModel(tmp_path)
    whole = some_history(9, DIMENSION)
    changed = UserHistory(np.vstack([-whole.vectors[:5], whole.vectors[5:]]), whole.weights, whole.ages_s)
    np.testing.assert_array_equal(short.user_vectors(whole), short.user_vectors(changed))
    newer = UserHistory(np.vstack([whole.vectors[:5], -whole.vectors[5:]]), whole.weights, whole.ages_s)
    assert not np.array_equal(short.user_vectors(whole), short.user_vectors(newer))


def test_what_is_told_of_entries() -> None:
    told = entry_inputs(np.array([2.0, -1.0, 0.0], np.float32), np.array([100.0, 40.0, 10.0]))
    log = {seconds: np.log1p(seconds) / 10 for seconds in (100, 60, 40, 30, 10)}
    assert COLUMNS == ("weight", "liked", "disliked", "after", "until", "ago")
    expected = [
        [1.0, 1, 0, 0.0, log[60], log[100]],
        [-0.5, 0, 1, log[60], log[30], log[40]],
        [0.0, 0, 0, log[30], log[10], log[10]],
    ]
    np.testing.assert_allclose(told, expected, atol=1e-6)


def test_what_lies_after_the_moment_counts_as_of_the_moment() -> None:
    rows, matrix, weights, ages_s = entries(3, seed=1)
    ages_s[-1] = -5.0
    assert UserHistory.of(rows, matrix, weights, ages_s).ages_s[-1] == 0.0


def test_columns_that_do_not_belong_together_are_refused() -> None:
    rows, matrix, weights, ages_s = entries(3, seed=1)
    with pytest.raises(DimensionError, match="as many"):
        UserHistory.of(rows, matrix, weights[:2], ages_s)
