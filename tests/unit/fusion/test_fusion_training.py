"""Trained fusions learn what content says of taste."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from models.errors import TrainingError  # noqa: E402
from models.offline.interface import ContentModel, FitContext  # noqa: E402
from models.training.fusion_networks import FUSION_METHODS, FusionNetwork  # noqa: E402
from models.training.fusion_training import (  # noqa: E402
    FusionSettings,
    FusionTraining,
    ItemInputs,
    embed,
    item_inputs,
)
from models.training.offline_fusion import FusionModel  # noqa: E402
from tests.unit.fusion.tastes import ITEMS, PEOPLE, recall, tastes  # noqa: E402

DATA = tastes()
EVERYBODY = np.arange(PEOPLE)
SMALL = {"dimension": 32, "hidden": 32, "epochs": 8, "batch_people": 100, "negatives": ITEMS}


@pytest.mark.parametrize("method", FUSION_METHODS)
def test_it_learns_the_taste_from_content_alone(method: str) -> None:
    model = FusionModel(method=method, **SMALL)
    model.fit(DATA.train, DATA.features, FitContext(seed=1))
    assert isinstance(model, ContentModel)
    chance = 10 / (ITEMS - 3)
    learned = recall(model.scores(EVERYBODY), DATA)
    assert learned > 4 * chance
    for modality in DATA.features:
        model.serve({**DATA.features, modality: np.zeros_like(DATA.features[modality])})
        assert recall(model.scores(EVERYBODY), DATA) > 2 * chance
    model.serve(DATA.features)
    assert recall(model.scores(EVERYBODY), DATA) == learned


def test_where_few_people_make_few_steps_there_are_more_epochs() -> None:
    settings = {**SMALL, "epochs": None}

    def epochs(batch_people: int) -> int:
        training = FusionTraining(
            FusionSettings(**{**settings, "batch_people": batch_people}), DATA.train, DATA.features, 1
        )
        return training.epochs

    steps = -(-PEOPLE // 100)
    assert epochs(100) * steps >= 144 > (epochs(100) - 1) * steps
    assert epochs(1) == 12
    assert FusionTraining(FusionSettings(**SMALL), DATA.train, DATA.features, 1).epochs == 8


@pytest.mark.parametrize(("epochs", "looked"), [(12, 6), (72, 6), (5, 3), (1, 1)])
def test_validation_is_looked_at_six_times_and_at_the_end(epochs: int, looked: int) -> None:
    reached: list[int] = []

    def validate(model: object) -> float:
        reached.append(len(reached))
        return float(len(reached))

    FusionModel(**{**SMALL, "epochs": epochs}).fit(DATA.train, DATA.features, FitContext(1, validate))
    assert len(reached) == looked


def test_the_same_seed_gives_the_same_vectors() -> None:
    first, again, other = (
        embed(FusionTraining(FusionSettings(**SMALL), DATA.train, DATA.features, seed).run(), inputs())
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    settings = FusionSettings(**SMALL)
    whole = FusionTraining(settings, DATA.train, DATA.features, 1)
    expected = embed(whole.run(), inputs())
    file = tmp_path / "checkpoint.pt"
    FusionTraining(settings, DATA.train, DATA.features, 1, file).run(lambda epoch, loss, network: epoch == 3)
    resumed = FusionTraining(settings, DATA.train, DATA.features, 1, file)
    seen: list[int] = []

    def on_epoch(epoch: int, loss: float, network: FusionNetwork) -> bool:
        seen.append(epoch)
        return False

    np.testing.assert_array_equal(embed(resumed.run(on_epoch), inputs()), expected)
    assert seen == [4, 5, 6, 7, 8]
    assert resumed.losses == whole.losses


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    settings = FusionSettings(**SMALL)
    FusionTraining(settings, DATA.train, DATA.features, 1, file).run(lambda *_: True)
    with pytest.raises(TrainingError, match="other settings or data"):
        FusionTraining(settings, DATA.train, DATA.features, 2, file).run()


def test_people_with_one_item_teach_nothing() -> None:
    alone = csr_array((np.ones(5, np.float32), (np.arange(5), np.arange(5))), shape=(5, ITEMS))
    with pytest.raises(TrainingError, match="nobody took two items"):
        FusionTraining(FusionSettings(), alone, DATA.features, 0)


def test_features_that_are_not_finite_are_refused() -> None:
    broken = {"image": DATA.features["image"].copy()}
    broken["image"][3, 3] = np.nan
    with pytest.raises(TrainingError, match="image"):
        FusionTraining(FusionSettings(), DATA.train, broken, 0)


def test_a_modality_that_no_item_has_is_refused() -> None:
    none = {**DATA.features, "text": np.zeros((ITEMS, 4), np.float32)}
    with pytest.raises(TrainingError, match="text"):
        FusionTraining(FusionSettings(), DATA.train, none, 0)


def inputs() -> ItemInputs:
    return item_inputs(DATA.features)
