"""The network: what a person's vector may depend on, and that its export gives the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.errors import TrainingError  # noqa: E402
from models.training import user_export  # noqa: E402
from models.training.user_export import agreement, export_user_model, person, random_history  # noqa: E402
from models.training.user_network import UserNetwork  # noqa: E402
from models.user import UserHistory  # noqa: E402
from models.user.inputs import AGO, entry_inputs, log_seconds  # noqa: E402

DIMENSION = 12


def network(seed: int = 0) -> UserNetwork:
    """All of its parts have something to say."""
    torch.manual_seed(seed)
    made = UserNetwork(DIMENSION, hidden=8)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


NETWORK = network()


def batch_of(histories: list[UserHistory]) -> tuple[torch.Tensor, ...]:
    """As in training: filled up from the front, each person looked at when the next event comes."""
    width = max(len(history) for history in histories)
    shape = (len(histories), width)
    vectors, told = np.zeros((*shape, DIMENSION), np.float32), np.zeros((*shape, AGO), np.float32)
    ago, present = np.zeros((*shape, width), np.float32), np.zeros(shape, np.bool_)
    for row, history in enumerate(histories):
        here = slice(width - len(history), width)
        vectors[row, here] = history.vectors
        told[row, here] = entry_inputs(history.weights, history.ages_s)[:, :AGO]
        asked_s = np.append(history.ages_s[1:], 0.0)
        ago[row, here, here] = log_seconds(history.ages_s[None] - asked_s[:, None])
        present[row, here] = True
    return tuple(torch.from_numpy(one) for one in (vectors, told, ago, present))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 1_000))
@settings(max_examples=25, deadline=None)
def test_batch_and_fillers_are_no_matter(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    histories = [random_history(DIMENSION, length, random) for length in lengths]
    with torch.no_grad():
        together = NETWORK(*batch_of(histories))[:, -1].numpy()
    for own, history in zip(together, histories, strict=True):
        np.testing.assert_allclose(own, person(NETWORK, history), atol=1e-4)


@given(st.integers(2, 9), st.integers(0, 1_000))
@settings(max_examples=25, deadline=None)
def test_what_comes_later_is_not_known_earlier(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    history = random_history(DIMENSION, count, random)
    vectors, told, ago, present = batch_of([history])
    with torch.no_grad():
        whole = NETWORK(vectors, told, ago, present)[0, :-1]
        vectors[0, -1], told[0, -1] = -vectors[0, -1], 7.0
        changed = NETWORK(vectors, told, ago, present)[0]
    np.testing.assert_array_equal(whole.numpy(), changed[:-1].numpy())


def test_learning_starts_from_a_mean_in_which_likes_add_and_dislikes_subtract() -> None:
    torch.manual_seed(0)
    axes = np.eye(3, DIMENSION, dtype=np.float32)
    history = UserHistory(axes, np.array([2.0, 2.0, -2.0], np.float32), np.array([900.0, 60.0, 30.0]))
    found = person(UserNetwork(DIMENSION, hidden=8), history)
    assert found[1] > found[0] > 0.0 > found[2]
    np.testing.assert_allclose(found[3:], 0.0, atol=1e-6)


def test_the_export_agrees_at_every_length(tmp_path: Path) -> None:
    entry, cosine = export_user_model(NETWORK, tmp_path / "model.onnx")
    assert cosine >= 0.9999
    assert (entry.opset, entry.inputs, entry.output) == (17, ("vectors", "told"), "user")
    assert agreement(network(seed=1), tmp_path / "model.onnx", entry) < 0.9


def test_an_export_that_gives_other_vectors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_export, "person", lambda _, history: person(network(seed=1), history))
    with pytest.raises(TrainingError, match="other vectors than PyTorch"):
        export_user_model(NETWORK, tmp_path / "model.onnx")
