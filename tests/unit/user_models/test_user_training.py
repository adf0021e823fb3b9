"""Training: it learns what comes next, by content alone, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.errors import TrainingError  # noqa: E402
from models.offline.interface import Features  # noqa: E402
from models.offline.masks import masked  # noqa: E402
from models.training.missing_modalities import views_without  # noqa: E402
from models.training.offline_user import TorchUserModel  # noqa: E402
from models.training.user_network import UserNetwork  # noqa: E402
from models.training.user_training import UserModelSettings, UserTraining, data_fingerprint  # noqa: E402
from models.user import DecayedMean, UserHistory, UserModel  # noqa: E402
from tests.unit.user_models.walks import DIMENSION, EACH, KINDS, kinds, vectors, walks  # noqa: E402

SMALL = UserModelSettings(
    hidden=16, dropout=0.0, history_entries=8, horizon=1, batch_windows=16, epochs=25, learning_rate=1e-2
)
VECTORS = vectors()


def share_right(model: UserModel, matrix: np.ndarray = VECTORS) -> float:
    """How often the item of highest score is of the kind that comes next; of people never learned from."""
    histories = walks(people=40, length=9, seed=7)
    right = 0
    for person in range(40):
        mine = histories.users == person
        items, weights = histories.items[mine], histories.weights[mine]
        ages_s = (histories.times_ms[mine][-1] - histories.times_ms[mine]) / 1_000.0 + 60.0
        (user,) = model.user_vectors(UserHistory.of(items, matrix, weights, ages_s))
        last = int(kinds()[items[weights > 0][-1]])
        right += int(kinds()[int((matrix @ user).argmax())]) == (last + 1) % KINDS
    return right / 40


@pytest.fixture(scope="module")
def learned() -> UserNetwork:
    return UserTraining(SMALL, walks(), VECTORS, seed=1).run()


def test_it_learns_what_comes_next_and_a_mean_does_not(learned: UserNetwork) -> None:
    assert share_right(TorchUserModel(learned, SMALL.history_entries)) > 0.9
    assert share_right(DecayedMean()) < 0.5


def test_items_that_nobody_had_are_found_by_their_content(learned: UserNetwork) -> None:
    # All items are others, alike in content.
    assert share_right(TorchUserModel(learned, SMALL.history_entries), vectors(seed=9)) > 0.9


def test_the_same_seed_gives_the_same_network_also_after_a_stop(tmp_path: Path) -> None:
    chosen = replace(SMALL, epochs=4, dropout=0.2)
    whole = UserTraining(chosen, walks(), VECTORS, seed=3)
    whole.run()
    file = tmp_path / "checkpoint.pt"
    UserTraining(chosen, walks(), VECTORS, 3, file).run(lambda epoch, loss, network: epoch == 2)
    resumed = UserTraining(chosen, walks(), VECTORS, 3, file)
    resumed.run()
    assert resumed.losses == whole.losses
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
    with pytest.raises(TrainingError, match="other settings or data"):
        UserTraining(chosen, walks(), VECTORS, 4, file).run()


def test_correcting_for_popularity_leaves_it_out_of_peoples_vectors() -> None:
    # Of half of all people every second like is of one item, whatever came before.
    histories = walks(people=40)
    often = (np.random.default_rng(0).random(len(histories)) < 0.5) & (histories.users % 2 == 0)
    histories.items[often & (histories.weights > 0)] = 0

    matrix = VECTORS.copy()
    matrix[0] = np.eye(DIMENSION)[-1]

    def nearness(popularity: float) -> float:
        chosen = replace(SMALL, popularity=popularity)
        model = TorchUserModel(UserTraining(chosen, histories, matrix, 1).run(), 8)
        history = UserHistory.of(np.array([5, 9]), matrix, np.ones(2, np.float32), np.array([90.0, 60.0]))
        return float(model.user_vectors(history)[0] @ matrix[0])

    assert nearness(0.0) > nearness(1.0) + 0.03


def test_events_on_items_without_a_vector_are_left_out() -> None:
    matrix = VECTORS.copy()
    matrix[kinds() == 0] = 0.0
    losses = UserTraining(replace(SMALL, epochs=1), walks(), matrix, seed=1)
    losses.run()
    assert np.isfinite(losses.losses).all()


def test_having_seen_items_of_less_it_knows_what_comes_next_by_what_is_left() -> None:
    # Two modalities tell an item's kind, by other numbers; a vector of both is mostly the first.
    first, second = vectors(seed=2), vectors(seed=3)[:, ::-1]
    features = {"text": first, "image": np.ascontiguousarray(second)}

    def fuse(given: Features) -> np.ndarray:
        whole = np.concatenate([3.0 * given["text"], given["image"]], axis=1)
        return (whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    without_text = fuse(masked(features, "text"))

    def right_without_text(modality_dropout: float) -> float:
        chosen = replace(SMALL, modality_dropout=modality_dropout)
        views = views_without(fuse, features)
        network = UserTraining(chosen, walks(), fuse(features), seed=1, views=views).run()
        return share_right(TorchUserModel(network, SMALL.history_entries), without_text)

    assert right_without_text(0.5) > max(0.9, right_without_text(0.0) + 0.1)


def test_items_of_which_nothing_is_left_are_no_targets_and_are_not_read() -> None:
    matrix = VECTORS.copy()
    matrix[kinds() == 0] = 0.0
    chosen = replace(SMALL, epochs=1, modality_dropout=1.0)
    training = UserTraining(chosen, walks(), VECTORS, seed=1, views=lambda seed: [matrix])
    training.run()
    assert np.isfinite(training.losses).all()
    nothing = UserTraining(chosen, walks(), VECTORS, seed=1, views=lambda seed: [np.zeros_like(VECTORS)])
    nothing.run()
    assert nothing.losses == [0.0]


@pytest.mark.parametrize("weights", [-1.0, 0.0])
def test_where_nobody_liked_anything_there_is_nothing_to_learn(weights: float) -> None:
    histories = walks()
    histories.weights[:] = weights
    with pytest.raises(TrainingError, match="nothing to learn"):
        UserTraining(SMALL, histories, VECTORS, seed=1)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(TrainingError, match="multiple of 4"):
        UserTraining(replace(SMALL, hidden=6), walks(), VECTORS, seed=1)
    broken = VECTORS.copy()
    broken[0, 0] = np.inf
    with pytest.raises(TrainingError, match="not finite"):
        UserTraining(SMALL, walks(), broken, seed=1)


def test_the_fingerprint_tells_data_apart() -> None:
    histories = walks()
    assert data_fingerprint(histories, VECTORS) == data_fingerprint(walks(), vectors())
    assert data_fingerprint(walks(seed=1), VECTORS) != data_fingerprint(histories, VECTORS)
    assert data_fingerprint(histories, vectors(seed=1)) != data_fingerprint(histories, VECTORS)
    assert len(kinds()) == KINDS * EACH
