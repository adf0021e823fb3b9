"""A swap of the fusion, in the recommend role: a user model is used in its own vector space alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cascade.cascade import Cascade
from models.cascade.ranking import Ranking
from models.fusion import EncoderSpec, Fusion, FusionWeights, LinearFusion
from models.ranking import ListOrder, ListQuery
from models.retrieval import ItemIndex
from models.user import UserHistory, UserModel
from streams.settings import RecommendSettings, Settings
from tests.unit.cascade.people import START_MS, event, index_of, person
from tests.unit.user_models.random_user_model import write_user_model
from workers.experiments import Experiment
from workers.live_space import LiveQueries
from workers.model_settings import cascade_settings
from workers.user_model_in_use import UserModelInUse
from workers.wiring.recommend import _Serving

SPECS = {"text": EncoderSpec("words", "a" * 64, 8)}
OURS = LinearFusion(SPECS)  # type: ignore[arg-type]
OTHERS = LinearFusion(SPECS, FusionWeights(text=0.5))  # type: ignore[arg-type]


def _reads_nothing(_: Fusion) -> Any:
    """Nobody asks for anything in words here."""


def serving(folder: Path) -> tuple[_Serving, Cascade, ItemIndex]:
    settings = Settings(recommend=RecommendSettings(user_model=folder))
    index = index_of(40)
    loaded = UserModelInUse(settings, [(OURS.space, OURS.dimension)])
    cascade = Cascade(index, cascade_settings(settings))
    cascade.use_user_model(loaded.of(OURS.space))
    queries = LiveQueries(_reads_nothing, OURS)
    made = _Serving(index, OURS, cascade, queries, Experiment(settings), settings, None, loaded)
    return made, cascade, index


def test_the_model_rests_while_another_space_serves_and_comes_back_after_a_rollback(tmp_path: Path) -> None:
    write_user_model(tmp_path, OURS.space, OURS.dimension)
    made, cascade, index = serving(tmp_path)
    model = cascade.user_model
    assert model is not None
    made.use(index_of(40, seed=1), OTHERS)
    assert cascade.user_model is None
    order = ListOrder(None, ListQuery(count=5), START_MS, {})
    assert len(made.lists.make([order])[0].result.items) == 5
    made.use(index, OURS)
    assert cascade.user_model is model
    somebody = person("u", [("i1", 1.0, 0.0)], 60.0)
    cascade.observe(person("u"), event("u", "i1", 0.0))
    ranking = cascade.rank(somebody, np.ones(index.rows, np.bool_))
    assert (ranking.sources >> ranking.source_names.index("user_model") & 1).any()


class Named:
    """Which user model each space has, as announced; the settings name none."""

    def __init__(self, **models: UserModel) -> None:
        self.models: dict[str, UserModel] = models

    def of(self, space: str) -> UserModel | None:
        return self.models.get(space)


def test_one_that_is_announced_counts_from_the_next_list_on_also_where_the_settings_name_none() -> None:
    settings = Settings()
    index = index_of(40)
    cascade = Cascade(index, cascade_settings(settings))
    cascade.weights.values[:] += 0.5
    learned = cascade.weights.values.copy()
    queries, named = LiveQueries(_reads_nothing, OURS), Named()
    made = _Serving(index, OURS, cascade, queries, Experiment(settings), settings, None, named)
    made.follow_user_models()
    somebody = person("u", [("i1", 1.0, 0.0)], 60.0)
    everything = np.ones(index.rows, np.bool_)
    before = cascade.rank(somebody, everything)
    own, theirs = Towards(index.vectors[7]), Towards(index.vectors[9])
    named.models = {OURS.space: own, OTHERS.space: theirs}
    made.follow_user_models()
    after = cascade.rank(somebody, everything)
    assert not _proposed(before).any()
    assert 7 in after.rows[_proposed(after)]
    np.testing.assert_array_equal(cascade.weights.values[:, :-1], learned)
    assert not cascade.weights.values[:, -1].any()
    # Each space has its own, from the same step on.
    made.use(index_of(40, seed=1), OTHERS)
    assert cascade.user_model is theirs
    made.use(index, OURS)
    assert cascade.user_model is own


class Towards:
    """Points at an item."""

    def __init__(self, vector: NDArray[np.float32]) -> None:
        self._vector = vector

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        return self._vector[None].copy()


def _proposed(ranking: Ranking) -> NDArray[np.bool_]:
    return np.asarray(ranking.sources >> ranking.source_names.index("user_model") & 1, np.bool_)
