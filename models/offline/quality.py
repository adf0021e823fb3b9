"""How well a trained model does on validation, and beside the model in use, on the same people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import Histories
from models.errors import BatchError, EvaluationInputError, TrainingError
from models.evaluation.bootstrap import interval_over_users
from models.evaluation.full_ranking import rank_all
from models.evaluation.people_features import by_feature, people_features
from models.evaluation.score_calibration import ScoreCounts
from models.evaluation.user_metrics import PerUser, accuracy
from models.offline.in_use import ModelInUse
from models.offline.interface import ContentModel, Features, FitContext, Interactions
from models.offline.masks import only, without_share

METRICS = ("recall@20", "ndcg@20")
MISSING_SHARES = (0.0, 0.25, 0.5, 0.75)
IN_USE = "in use"
"""What metrics of the model in use end in, in a manifest."""
_INTERVAL_SEED = 1

Values = dict[str, Any]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Quality:
    """What one model reached.

    Attributes:
        users: Who was ranked, int64 [n].
        per_user: `METRICS` of each, float64 [n].
        values: Their means; ``subsets`` (Recall@20 by the modalities that are served, all first), ``missing``
            (Recall@20 by the share of features that are gone), ``calibration`` (see `ScoreCounts`) and
            ``people`` (see `by_feature`).
    """

    users: NDArray[np.int64]
    per_user: dict[str, PerUser]
    values: Values


class QualityMeasures:
    """Measures models on the same people, who are ranked all items that they had not taken.

    Args:
        train: Who took what.
        validation: What the same people took later.
        features: Of all items.
        histories: The order and times of what is behind ``train``; None where a model needs none.
    """

    def __init__(
        self,
        train: Interactions,
        validation: Interactions,
        features: Features,
        histories: Histories | None = None,
    ) -> None:
        self._train = train
        self._validation = validation
        self._features = features
        self._histories = histories

    def measure(self, model: ContentModel, on_progress: OnProgress = lambda done, total: None) -> Quality:
        """Measure a model that has learned; it is left serving the full features.

        Raises:
            TrainingError: There is nothing to measure by.
        """
        subsets = [
            served
            for count in range(len(self._features), 0, -1)
            for served in combinations(self._features, count)
        ]
        passes = len(subsets) + len(MISSING_SHARES) - 1
        model.serve(self._features)
        scores = _Scores(model, self._train, self._validation)
        users, per_user = self._accuracy(scores)
        means = {metric: float(values.mean()) for metric, values in per_user.items()}
        on_progress(1, passes)
        by_subset, missing = {"+".join(subsets[0]): means["recall@20"]}, {"0.0": means["recall@20"]}
        for served in subsets[1:]:
            by_subset["+".join(served)] = self._recall(model, only(self._features, served))
            on_progress(len(by_subset), passes)
        for share in MISSING_SHARES[1:]:
            missing[str(share)] = self._recall(model, without_share(self._features, share))
            on_progress(len(by_subset) + len(missing) - 1, passes)
        model.serve(self._features)
        known = people_features(self._train, self._features, users)
        measured = {"score": scores.taken[users], "score of all": scores.all[users], **per_user}
        values = {
            **means,
            "subsets": by_subset,
            "missing": missing,
            "calibration": scores.counts.calibration(),
            "people": by_feature(known, measured),
        }
        return Quality(users, per_user, values)

    def measure_in_use(
        self, in_use: ModelInUse, on_progress: OnProgress = lambda done, total: None
    ) -> Quality | str:
        """Measure the model in use, or say why that cannot be.

        Raises:
            TrainingError: There is nothing to measure by.
        """
        if in_use.model is None:
            return in_use.reason
        try:
            in_use.model.fit(self._train, self._features, FitContext(0, histories=self._histories))
            return self.measure(in_use.model, on_progress)
        except (BatchError, EvaluationInputError) as error:
            return f"it fails on these data: {error}"

    def recall(self, model: ContentModel) -> float:
        """Recall@20 of a model that has learned, by what it serves now.

        Raises:
            TrainingError: There is nothing to measure by.
        """
        return float(self._accuracy(model)[1]["recall@20"].mean())

    def _recall(self, model: ContentModel, features: Features) -> float:
        model.serve(features)
        return self.recall(model)

    def _accuracy(self, model: ContentModel | _Scores) -> tuple[NDArray[np.int64], dict[str, PerUser]]:
        rankings = rank_all(model.scores, self._validation, self._train, depth=1)
        if not len(rankings):
            raise TrainingError(
                "validation has nothing that people had not taken before: nothing to measure by"
            )
        found = accuracy(rankings, (20,))
        return rankings.users, {metric: found[metric] for metric in METRICS}


def beside(trained: Quality, name: str, served: Quality | str) -> tuple[Values, dict[str, float]]:
    """A trained model beside the one in use.

    Args:
        trained: What it reached.
        name: Of the model in use.
        served: What that reached on the same people, or why it is not known.

    Returns:
        ``trained`` and ``in_use`` (`Quality.values`; None where it is not known) and ``comparison``: the
        ``in_use`` model's name, ``not_compared`` (why, or None), the number of ``people``, and ``gain``, what
        the trained one has more of each metric, with 95 % of people drawn anew. And the metrics of the model
        in use for a manifest.
    """
    comparison: Values = {"in_use": name, "people": len(trained.users), "not_compared": None, "gain": None}
    if isinstance(served, str):
        comparison["not_compared"] = served
        return {"trained": trained.values, "in_use": None, "comparison": comparison}, {}
    comparison["gain"] = {
        metric: asdict(interval)
        for metric in METRICS
        if (interval := _gain(trained, served, metric)) is not None
    }
    metrics = {f"{metric} {IN_USE}": served.values[metric] for metric in METRICS}
    return {"trained": trained.values, "in_use": served.values, "comparison": comparison}, metrics


def _gain(trained: Quality, served: Quality, metric: str) -> Any:
    gains = trained.per_user[metric] - served.per_user[metric]
    return interval_over_users(trained.users, gains, _INTERVAL_SEED)


class _Scores:
    """A model's scores, of which it keeps what tells about them.

    Attributes:
        taken: Mean score of what each person then took, float64 [users]; NaN of people who were not ranked.
        all: Likewise of all that the person had not taken before.
        counts: Of all scores.
    """

    def __init__(self, model: ContentModel, train: Interactions, validation: Interactions) -> None:
        self._model = model
        self._train = train
        self._validation = validation
        self.taken = np.full(train.shape[0], np.nan)
        self.all = np.full(train.shape[0], np.nan)
        self.counts = ScoreCounts(train.shape[0])

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        scores = self._model.scores(users)
        is_pair = self._train[users].toarray() == 0
        is_taken = (self._validation[users].toarray() > 0) & is_pair
        self.counts.add(users, scores, is_pair, is_taken)
        self.taken[users], self.all[users] = (_means(scores, which) for which in (is_taken, is_pair))
        return scores


def _means(scores: NDArray[np.float32], which: NDArray[np.bool_]) -> NDArray[np.float64]:
    sums = np.where(which, scores, 0).sum(axis=1, dtype=np.float64)
    counts = which.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(1, counts), np.nan)
