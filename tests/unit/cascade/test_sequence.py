"""Gradients against central differences, scoring against the batched forward pass, storing, growth."""

from dataclasses import replace

import numpy as np
import pytest

from models.sequence.batches import arrange, batch_of, chunks_of, target_weights
from models.sequence.history import History
from models.sequence.model import SequenceModel
from models.sequence.settings import SequenceSettings


def people(items: int, n: int, seed: int) -> list[History]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        t = int(rng.integers(3, 12))
        times = np.sort(rng.integers(0, 5_000, t)) * 1000 + 1_000_000
        out.append(History(rng.permutation(items)[:t], rng.integers(1, 6, t), times, first_target=1))
    return out


SMALL = SequenceSettings(dimension=5, heads=3, window=8, chunk=4, dropout=0, entry_dropout=0, scale=0.3)


def make(content: bool) -> SequenceModel:
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((20, 3)).astype(np.float32) if content else None
    model = SequenceModel(20, SMALL, seed=3, content=matrix)
    for name, value in model.parameters().items():
        if name != "seen":
            value += (rng.standard_normal(value.shape) * 0.2).astype(np.float32)
    return model


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_gradients_match_central_differences(content: bool, some: bool) -> None:
    model = make(content)
    hs = people(20, 4, 5)
    weights = target_weights(hs, SMALL)
    rng = np.random.default_rng(0)
    prepared = [arrange(h, w, SMALL, rng, backwards=False) for h, w in zip(hs, weights, strict=True)]
    batch = batch_of(prepared, list(chunks_of(prepared, SMALL, rng))[:5], SMALL, None)
    columns = correction = None
    if some:
        columns = np.unique(np.r_[batch.targets, [0, 3, 7]])
        correction = rng.standard_normal(len(columns)).astype(np.float32)
    # float64 makes the differences exact enough
    for name in model._p:
        model._p[name] = model._p[name].astype(np.float64)  # type: ignore[assignment]
    _, grads, rows = model.loss_and_gradients(batch, columns, correction, None)
    total = float(batch.weights.sum())
    for name, value in model._p.items():
        g = grads[name]
        if rows is not None and name in ("embedding", "bias"):
            full = np.zeros_like(value)
            full[rows] = g
            g = full  # type: ignore[assignment]
        for k in np.random.default_rng(2).permutation(value.size)[:25]:
            at = np.unravel_index(k, value.shape)
            old = value[at]
            sides = []
            for step in (1e-5, -1e-5):
                value[at] = old + step
                model._scored = None
                sides.append(model.loss_and_gradients(batch, columns, correction, None)[0] / total)
            value[at] = old
            model._scored = None
            assert g[at] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=2e-3, abs=2e-6), name


def test_fit_learns_what_follows_what() -> None:
    hs = []
    rng = np.random.default_rng(0)
    for _ in range(60):
        start = int(rng.integers(0, 15))
        items = (start + np.arange(5)) % 20
        hs.append(History(items, np.full(5, 5), np.arange(5) * 100_000))
    model = SequenceModel(20, SequenceSettings(dimension=16, dropout=0.1, backwards=False), seed=0)
    model.fit(hs, epochs=60, seed=1, learning_rate=0.02)
    history = History(np.array([3, 4, 5]), np.full(3, 5), np.array([0, 100_000, 200_000]))
    s = model.scores(history, 300_000)
    s[[3, 4, 5]] = -np.inf
    assert int(np.argmax(s)) == 6


def test_scores_of_rows_are_the_scores() -> None:
    model = make(True)
    h = people(20, 1, 8)[0]
    rows = np.array([4, 1, 19])
    np.testing.assert_allclose(model.scores(h, 9_000_000, rows), model.scores(h, 9_000_000)[rows], rtol=1e-6)
    assert model.scores(h, 9_000_000).dtype == np.float32
    assert np.isfinite(model.scores(History(h.items[:0], h.grades[:0], h.times_ms[:0]), 0)).all()


def test_same_seed_same_weights_and_round_trip() -> None:
    one, two = make(False), make(False)
    hs = people(20, 10, 9)
    one.fit(hs, epochs=2, seed=4)
    two.fit(hs, epochs=2, seed=4)
    stored = {k: v.copy() for k, v in one.parameters(optimizer=True).items()}
    three = SequenceModel.from_parameters(stored, SMALL)
    for model in (one, two, three):
        model.fit(hs[:4], epochs=1, seed=5)
    for k, v in one.parameters().items():
        np.testing.assert_array_equal(v, two.parameters()[k])
        np.testing.assert_array_equal(v, three.parameters()[k])


def test_growth_keeps_scores() -> None:
    model = make(False)
    h = people(20, 1, 8)[0]
    before = model.scores(h, 9_000_000)
    model.grow(25, seed=0)
    after = model.scores(h, 9_000_000)
    np.testing.assert_allclose(after[:20], before, rtol=1e-6)
    assert len(after) == 25
    model.fit([History(np.array([1, 24]), np.array([5, 5]), np.array([0, 1000]))], epochs=1, seed=0)
    with pytest.raises(ValueError, match="cannot shrink"):
        model.grow(10, seed=0)


def test_scores_agree_with_the_trained_loss() -> None:
    model = make(True)
    h = people(20, 1, 8)[0]
    grades = np.r_[h.grades[:-1], 5]
    whole = History(h.items, grades, h.times_ms, first_target=len(grades) - 1, earlier=3)
    before = History(h.items[:-1], grades[:-1], h.times_ms[:-1], earlier=3)
    s = model.scores(before, int(h.times_ms[-1])).astype(np.float64)
    s[before.items[-SMALL.window :]] = -np.inf
    expected = np.log(np.exp(s).sum()) - s[h.items[-1]]
    model.settings = replace(SMALL, backwards=False, jitter_ms=0)
    assert model.fit([whole], epochs=1, seed=0, learning_rate=0.0) == pytest.approx(expected, abs=1e-4)


def test_sampled_softmax_learns_on_a_larger_catalogue() -> None:
    rng = np.random.default_rng(0)
    hs = []
    for _ in range(300):
        start = int(rng.integers(0, 200))
        hs.append(History((start + np.arange(5)) % 200, np.full(5, 5), np.arange(5) * 100_000))
    settings = SequenceSettings(dimension=16, dropout=0.1, full_softmax=100, sampled=50)
    model = SequenceModel(200, settings, seed=0)
    first = model.fit(hs, epochs=1, seed=1, learning_rate=0.01)
    assert model.fit(hs, epochs=30, seed=2, learning_rate=0.01) < first - 1
    s = model.scores(History(np.array([7, 8]), np.full(2, 5), np.array([0, 100_000])), 200_000)
    s[[7, 8]] = -np.inf
    assert 9 in np.argsort(-s)[:3]
