"""A model measured on validation, alone and beside the one in use."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from models.datasets import InteractionData
from models.errors import EncoderOutputError, TrainingError
from models.evaluation.people_features import by_feature, people_features
from models.evaluation.splits import Split, split
from models.fusion import EncoderSpec, FusionWeights, LinearFusion
from models.offline.fused_means import FusedMeans
from models.offline.in_use import NOTHING_IN_USE, ModelInUse
from models.offline.interface import Features, FitContext, Interactions
from models.offline.quality import Quality, QualityMeasures, beside
from models.offline.user_models import fused
from tests.unit.offline.worlds import matrix

IMAGE = {"image": EncoderSpec("pictures", "a" * 64, 8), "audio": EncoderSpec("sounds", "b" * 64, 8)}


class Coin:
    """Scores that say nothing of taste."""

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        self._shape = train.shape

    def serve(self, features: Features) -> None:
        pass

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        noise = np.random.default_rng(5).uniform(-1, 1, self._shape)
        return np.asarray(noise[users], np.float32)


class Broken(Coin):
    """A network that fails on what it is given."""

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        raise EncoderOutputError("numbers that are not finite")


@pytest.fixture
def parts(tastes: InteractionData) -> Split:
    return split(tastes, "official")


@pytest.fixture
def measures(tastes: InteractionData, parts: Split) -> QualityMeasures:
    return QualityMeasures(parts.train, parts.validation, tastes.features)


def taste(**weights: float) -> ModelInUse:
    fusion = LinearFusion(IMAGE, FusionWeights(**weights))  # type: ignore[arg-type]
    return ModelInUse(fusion.space, FusedMeans(partial(fused, fusion)))


def known(found: Quality | str) -> Quality:
    assert isinstance(found, Quality)
    return found


def test_each_subset_and_share_is_measured_and_full_features_are_served_again(
    tastes: InteractionData, measures: QualityMeasures
) -> None:
    model = taste().model
    assert model is not None
    told: list[tuple[int, int]] = []
    found = known(
        measures.measure_in_use(ModelInUse("fixed", model), lambda done, total: told.append((done, total)))
    )
    values = found.values
    assert list(values["subsets"]) == ["image+audio", "image", "audio"]
    assert list(values["missing"]) == ["0.0", "0.25", "0.5", "0.75"]
    assert told == [(number, 6) for number in range(1, 7)]
    assert values["subsets"]["image+audio"] == values["missing"]["0.0"] == values["recall@20"]
    assert values["recall@20"] == pytest.approx(found.per_user["recall@20"].mean())
    assert values["subsets"]["image"] > values["missing"]["0.75"]
    again = measures.recall(model)
    assert again == values["recall@20"]


def test_a_modality_that_no_item_has_tells_nothing_alone_and_costs_nothing_beside(
    tastes: InteractionData, parts: Split
) -> None:
    features = {**tastes.features, "audio": np.zeros_like(tastes.features["audio"])}
    values = known(QualityMeasures(parts.train, parts.validation, features).measure_in_use(taste())).values
    assert values["subsets"]["image"] == values["subsets"]["image+audio"] > values["subsets"]["audio"]


def test_what_people_took_scores_above_the_rest(measures: QualityMeasures) -> None:
    values = known(measures.measure_in_use(taste())).values
    for groups in values["people"].values():
        assert sum(group["n"] for group in groups) == 60
        for group in groups:
            assert group["score"] > group["score of all"] + 0.2
    assert values["calibration"]["slope"] > 0


def test_the_same_model_gains_nothing_and_a_better_one_something(measures: QualityMeasures) -> None:
    good, same = (known(measures.measure_in_use(taste())) for _ in range(2))
    compared, metrics = beside(good, "itself", same)
    assert compared["comparison"]["gain"]["recall@20"]["mean"] == 0.0
    assert compared["comparison"]["people"] == 60
    coin = known(measures.measure_in_use(ModelInUse("coin", Coin())))
    compared, metrics = beside(good, "coin", coin)
    gain = compared["comparison"]["gain"]["ndcg@20"]
    assert gain["mean"] == pytest.approx(good.values["ndcg@20"] - coin.values["ndcg@20"])
    assert gain["low"] > 0
    assert metrics == {f"{metric} in use": coin.values[metric] for metric in ("recall@20", "ndcg@20")}
    assert compared["in_use"] == coin.values
    assert compared["comparison"]["not_compared"] is None


@pytest.mark.parametrize(
    ("in_use", "reason"),
    [(NOTHING_IN_USE, "no model in use"), (ModelInUse("broken", Broken()), "not finite")],
)
def test_a_model_that_cannot_be_compared_is_told_and_does_not_hinder(
    in_use: ModelInUse, reason: str, measures: QualityMeasures
) -> None:
    good = known(measures.measure_in_use(taste()))
    compared, metrics = beside(good, in_use.name, measures.measure_in_use(in_use))
    assert reason in compared["comparison"]["not_compared"]
    assert (compared["in_use"], compared["comparison"]["gain"], metrics) == (None, None, {})


def test_without_anything_new_in_validation_there_is_nothing_to_measure_by(
    tastes: InteractionData, parts: Split
) -> None:
    measures = QualityMeasures(parts.train, parts.train, tastes.features)
    with pytest.raises(TrainingError, match="nothing to measure by"):
        measures.measure_in_use(taste())


def test_features_of_people_by_hand() -> None:
    train = matrix([(0, 0), (0, 1), (1, 0), (2, 2), (2, 3)], (4, 4))
    image = np.array([[2, 0], [0, 3], [0, 0], [0, 0]], np.float32)
    audio = np.array([[5, 0], [4, 0], [0, 0], [1, 0]], np.float32)
    found = people_features(train, {"image": image, "audio": audio}, np.array([0, 1, 2]))
    assert found["interactions"].tolist() == [2, 1, 2]
    # Of four people two took item 0, one each of the others.
    assert found["popularity"].tolist() == [0.375, 0.5, 0.25]
    # Person 0: (1, 0, 1, 0) / √2 and (0, 1, 1, 0) / √2 have the cosine ½, so |mean|² = ¾. Person 2 took one
    # item that has content.
    assert found["variety"] == pytest.approx([0.25, 0.0, 0.0])


def test_groups_are_of_about_a_size_and_ties_stay_together() -> None:
    values = np.array([3.0, 1, 1, 1, 1, 1, 2, 5, 4, 6])
    (groups,) = by_feature({"one": values}, {"ten": values * 10}).values()
    assert [(group["n"], group["mean"]) for group in groups] == [(5, 1.0), (1, 2.0), (2, 3.5), (2, 5.5)]
    assert [group["ten"] for group in groups] == pytest.approx([10.0, 20.0, 35.0, 55.0])
