"""The fit of `trend-walk`: on it finds the weights of people who choose by known ones, without the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.datasets import InteractionData
from models.datasets.interactions import TEST, TRAIN, VALIDATION
from models.offline.interface import FitContext
from models.offline.trend_walk import SIGNALS, TrendWalk
from tests.benchmarks.trend_walk_fit import main
from tests.unit.offline.worlds import matrix, write_presplit

PEOPLE, ITEMS, CROWD = 1_500, 60, 15
WEIGHTS: dict[str, Any] = {
    "walk": 0.6,
    "popularity": 0.8,
    "own_popularity": 0.4,
    "own_length": 0.3,
    "crowd": 0.3,
    "later": 6.0,
}


def folder(path: Path) -> Path:
    """Random histories; what is held out of each is drawn with the probabilities of `WEIGHTS`."""
    random = np.random.default_rng(1)
    appeal = random.dirichlet(np.full(ITEMS, 0.7)) + 0.002
    lengths = np.where(np.arange(PEOPLE) < CROWD, 12, random.integers(1, 6, PEOPLE))
    pairs = [
        (person, int(item))
        for person, length in enumerate(lengths)
        for item in random.choice(ITEMS, length, replace=False, p=appeal / appeal.sum())
    ]
    features = {"image": random.standard_normal((ITEMS, 8)).astype(np.float32)}
    model = TrendWalk(**WEIGHTS)
    train = matrix(pairs, (PEOPLE, ITEMS))
    model.fit(train, features, FitContext(0))
    utilities = model.scores(np.arange(PEOPLE)) + random.gumbel(size=(PEOPLE, ITEMS))
    utilities[train.toarray() > 0] = -np.inf
    held_out = list(enumerate(utilities.argmax(axis=1).tolist()))
    unlike = list(enumerate(utilities.argsort(axis=1)[:, -2].tolist()))
    parts = np.repeat(np.array([TRAIN, VALIDATION, TEST], np.int8), [len(pairs), PEOPLE, PEOPLE])
    data = InteractionData(
        "t", PEOPLE, ITEMS, np.array(pairs + held_out + unlike), parts=parts, features=features
    )
    return write_presplit(path, data, np.float32)


def fitted(dataset: Path, out: Path) -> dict[str, dict[str, float]]:
    main(["--dataset", str(dataset), "--folds", "0", "--json", str(out)])
    found: dict[str, dict[str, float]] = json.loads(out.read_text("utf-8"))["weights"]
    return found


def test_it_finds_the_weights_by_which_people_chose(tmp_path: Path) -> None:
    found = fitted(folder(tmp_path / "x"), tmp_path / "fit.json")
    assert list(found) == list(SIGNALS)
    for name, weight in WEIGHTS.items():
        error = found[name]["standard_error"]
        assert abs(found[name]["fitted"] - weight) < 3 * error, (name, found[name])
        assert error < weight / 2, (name, found[name])
        assert found[name]["in_code"] == pytest.approx(TrendWalk().weights[name])


def test_the_test_part_is_not_read(tmp_path: Path) -> None:
    dataset = folder(tmp_path / "x")
    path = dataset / "interactions.npz"
    arrays: dict[str, NDArray[np.int32]] = dict(np.load(path))
    np.savez(path, train=arrays["train"], val=arrays["val"], test=np.array(["not", "numbers"]))
    found = fitted(dataset, tmp_path / "fit.json")
    assert found["popularity"]["fitted"] > 0


def test_folds_are_measured_by_weights_that_did_not_see_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, out = folder(tmp_path / "x"), tmp_path / "fit.json"
    main(["--dataset", str(dataset), "--folds", "3", "--json", str(out)])
    crossed = json.loads(out.read_text("utf-8"))["cross_fitted"]
    assert crossed["people"] == PEOPLE
    assert len({one["walk"] for one in crossed["weights_by_fold"]}) == 3
    # Twenty of some 57 items by chance would be .35.
    assert crossed["recall@20"]["mean"] > 0.55
    assert "people whom the weights did not see" in capsys.readouterr().out
