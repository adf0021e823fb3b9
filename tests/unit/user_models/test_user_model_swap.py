"""A swap of the fusion, in the recommend role: a user model is used in its own vector space alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.cascade.cascade import Cascade
from models.fusion import EncoderSpec, Fusion, FusionWeights, LinearFusion
from models.ranking import ListOrder, ListQuery
from models.retrieval import ItemIndex
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
