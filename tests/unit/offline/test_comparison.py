"""The protocol of a comparison: what chooses, what is only measured, what is averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.datasets import InteractionData
from models.errors import TrainingError
from models.evaluation.splits import hold_out_items, split
from models.offline.comparison import Comparison, ComparisonSettings, mean_of
from models.offline.interface import Features, FitContext, Interactions, ModelEntry
from models.offline.registry import entries

HERE = "tests.unit.offline.test_comparison"
FITTED: list[tuple[int, int, bool]] = []
"""Seed, training interactions and whether there was a validation, of each fit of `Oracle`."""


class Oracle:
    """Scores what a part of the official split holds out, so that it is perfect there and nowhere else."""

    def __init__(self, knows: str, noise: float = 0.0) -> None:
        self._knows = knows
        self._noise = noise

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        FITTED.append((context.seed, int(train.nnz), context.validate is not None))
        known: Any = getattr(split(DATA[0], "official"), self._knows).toarray()
        random = np.random.default_rng(context.seed)
        self._scores = (known + self._noise * random.random(known.shape)).astype(np.float32)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scores[users]


class Served(Oracle):
    """An oracle that takes itself for a model of content."""

    def serve(self, features: Features) -> None:
        self._scores = self._scores + 0


DATA: list[InteractionData] = []


@pytest.fixture(autouse=True)
def _data(tastes: InteractionData) -> None:
    DATA[:] = [tastes]
    FITTED.clear()


def oracle(name: str, *knows: str, **others: Any) -> ModelEntry:
    return ModelEntry(
        name=name, build=f"{HERE}:Oracle", grid=tuple({"knows": one} for one in knows), **others
    )


def compare(data: InteractionData, models: list[ModelEntry], **settings: Any) -> dict[str, Any]:
    parts = split(data, "official")
    cold = hold_out_items(parts, 0.2)
    return Comparison(parts, data.features, (), None, ComparisonSettings(**settings), cold).run(models)


def test_validation_chooses_settings_and_model_whatever_the_test_says(tastes: InteractionData) -> None:
    found = compare(tastes, [oracle("test", "test"), oracle("both", "test", "validation")])
    assert found["chosen"] == "both"
    both, test = found["models"]["both"], found["models"]["test"]
    assert both["settings"] == {"knows": "validation"}
    assert both["validation"]["recall@20"] == 1.0
    assert test["recall@20"] == 1.0
    assert test["ndcg@20"] == 1.0
    assert both["ndcg@20"] < 0.9
    assert [tried["settings"]["knows"] for tried in both["validation"]["grid"]] == ["test", "validation"]
    # A person's validation items are no candidates in the test: a model is not asked for them again.
    assert both["auc"] == pytest.approx(0.5, abs=0.15)


def test_differences_are_to_the_chosen_model(tastes: InteractionData) -> None:
    found = compare(tastes, [oracle("test", "test"), oracle("validation", "validation")])["models"]
    assert found["validation"]["minus_chosen"]["ndcg@20"]["mean"] == 0
    difference = found["test"]["minus_chosen"]["ndcg@20"]
    assert difference["mean"] == pytest.approx(found["test"]["ndcg@20"] - found["validation"]["ndcg@20"])
    assert 0 < difference["low"] < difference["mean"] < difference["high"]


def test_a_random_model_is_fitted_once_for_each_seed_and_averaged(tastes: InteractionData) -> None:
    entry = ModelEntry(
        name="noisy", build=f"{HERE}:Oracle", grid=({"knows": "test", "noise": 3.0},), is_random=True
    )
    one = compare(tastes, [entry], seeds=3)["models"]["noisy"]
    assert one["seeds"] == [0, 1, 2]
    assert [seed for seed, *_ in FITTED] == [0, 1, 2]
    single = compare(tastes, [entry], seeds=1)["models"]["noisy"]
    assert single["standard_deviation"]["ndcg@20"] is None
    assert one["standard_deviation"]["ndcg@20"] > 0
    assert one["ndcg@20"] != single["ndcg@20"]
    assert one["intervals"]["ndcg@20"]["mean"] == pytest.approx(one["ndcg@20"])
    # The grid is tried with one seed; what chooses among models is the mean over seeds.
    (tried,) = one["validation"]["grid"]
    assert tried["auc"] == single["validation"]["auc"]
    assert one["validation"]["auc"] != tried["auc"]


def test_models_are_fitted_on_the_training_part_alone(tastes: InteractionData) -> None:
    compare(tastes, [oracle("x", "test", "validation")])
    assert {count for _, count, _ in FITTED} == {split(tastes, "official").train.nnz}
    assert all(validated for *_, validated in FITTED)


def test_models_of_content_are_measured_without_modalities_and_on_new_items(tastes: InteractionData) -> None:
    models = [
        entry
        for entry in entries(("image", "audio"))
        if entry.name in ("content-knn-image", "content-knn-all", "ease")
    ]
    found = compare(tastes, models, masks=("image", "audio", "random-half"))["models"]
    assert "masks" not in found["ease"]
    assert "cold_items" not in found["ease"]
    image = found["content-knn-image"]
    assert image["masks"]["image"]["lost"]["recall@10"] > 0.3
    # What it does not use cannot be taken away.
    assert set(image["masks"]) == {"image", "random-half"}
    both = found["content-knn-all"]
    assert set(both["masks"]) == {"image", "audio", "random-half"}
    lost = both["masks"]["audio"]["lost"]["recall@10"]
    assert lost == pytest.approx(1 - both["masks"]["audio"]["recall@10"] / both["recall@10"])
    assert lost < image["masks"]["image"]["lost"]["recall@10"]
    assert 0 < image["masks"]["random-half"]["lost"]["recall@10"] < 1
    new = image["cold_items"]
    assert new["among_new"]["ndcg@10"] > new["among_all"]["ndcg@10"] > 0.3
    assert new["among_new"]["users"] > 20


def test_new_items_are_ranked_by_a_model_that_has_not_seen_them(tastes: InteractionData) -> None:
    entry = ModelEntry(name="served", build=f"{HERE}:Served", grid=({"knows": "test"},), is_random=True)
    compare(tastes, [entry], seeds=2)
    whole = split(tastes, "official")
    without = hold_out_items(whole, 0.2).split
    assert [
        (0, whole.train.nnz, True),
        (1, whole.train.nnz, True),
        (0, without.train.nnz, True),
        (1, without.train.nnz, True),
    ] == FITTED
    assert without.train.nnz < whole.train.nnz


class Unfit(Oracle):
    """Nothing to learn from in these data."""

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        raise TrainingError("nobody took two items")


def test_a_model_that_cannot_be_fitted_is_left_out_and_stops_no_other(tastes: InteractionData) -> None:
    unfit = ModelEntry(name="unfit", build=f"{HERE}:Unfit", grid=({"knows": "test"},))
    report = compare(tastes, [unfit, oracle("good", "validation")])
    assert set(report["models"]) == {"good"}
    assert report["left_out"] == {"unfit": "nobody took two items"}
    with pytest.raises(TrainingError, match="nobody took two items"):
        compare(tastes, [unfit])


def test_segments_part_people_and_items(tastes: InteractionData) -> None:
    found = compare(tastes, [oracle("test", "test")])["models"]["test"]
    assert sum(one["n"] for one in found["segments"]["users"].values()) == found["users"]
    assert sum(one["n"] for one in found["segments"]["items"].values()) == split(tastes, "official").test.nnz
    assert all(one["recall@20"] == 1.0 for kind in found["segments"].values() for one in kind.values())


def test_the_mean_of_nested_objects() -> None:
    one = {"n": 3, "a": {"x": 1.0, "y": None}, "b": 2}
    other = {"n": 3, "a": {"x": 2.0, "y": 1.0}, "b": 3}
    assert mean_of([one, other]) == {"n": 3, "a": {"x": 1.5, "y": None}, "b": 2.5}
