"""Models compared on one data set: validation chooses settings and model, the test is measured at the end.

1. Each model is fitted with each of its settings on the training part. The settings that are best on
validation stay. 2. With them it is fitted once for each seed, where the seed matters. Its validation figure
is the mean over seeds. 3. The model that is best on validation is chosen.
4. Only then are the rankings of the test made, once for each fitted model. Nothing is chosen by them.

Models that score by content are ranked again with modalities taken away at serving, and fitted once more
without a share of the items, to rank these as new ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.evaluation.bootstrap import Interval, intervals_of_ratios
from models.evaluation.full_ranking import Rankings, rank_all
from models.evaluation.offline_measures import Measured, OfflineMeasures, mean
from models.evaluation.splits import ColdItems, Split
from models.evaluation.user_metrics import PerUser, accuracy
from models.offline.interface import ContentModel, Features, FitContext, ModelEntry, OfflineModel
from models.offline.masks import RANDOM_HALF, masked

OnProgress = Callable[[str, int, int], None]
_INTERVAL_SEED = 1

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How models are compared.

    Attributes:
        seeds: How often a random model is fitted, ≥ 1; with the seeds from 0 on.
        cutoffs: The k of each metric, rising.
        chosen_by: The metric, such as ``recall@20``, that settings and models are chosen by.
        masks: What is taken away from models that score by content; see `masked`.
    """

    seeds: int = 5
    cutoffs: tuple[int, ...] = (10, 20)
    chosen_by: str = "recall@20"
    masks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Fitted:
    """A model with its chosen settings, once for each seed."""

    entry: ModelEntry
    settings: Mapping[str, Any]
    models: list[OfflineModel]
    grid: list[Values]
    validation: Values
    fit_s: float
    tested: list[Measured] = field(default_factory=list)


class Comparison:
    """Compares models one after another; `chosen` and `values` tell the result.

    Args:
        split: The parts.
        features: Of all items.
        class_names: See `OfflineMeasures`.
        classes: Likewise.
        settings: How.
        cold: Items held out as new ones; None without that.
        on_progress: Told what is being done, how much of it is done, and of how much.
    """

    def __init__(
        self,
        split: Split,
        features: Features,
        class_names: Sequence[str],
        classes: NDArray[np.bool_] | None,
        settings: ComparisonSettings,
        cold: ColdItems | None,
        on_progress: OnProgress = lambda what, done, total: None,
    ) -> None:
        self._split = split
        self._features = features
        self._settings = settings
        self._cold = cold
        self._on_progress = on_progress
        self._measures = OfflineMeasures(split.train, features, class_names, classes, settings.cutoffs)
        self.calibrated_by = self._measures.calibrated_by

    def run(self, entries: Sequence[ModelEntry]) -> Values:
        """Compare them: ``chosen``, ``models`` and, where asked for, each one's ``masks`` and ``cold_items``.

        A model that cannot be fitted to these data is in ``left_out``, with the reason.

        Raises:
            TrainingError: None can be fitted.
            EvaluationInputError: A model's scores are wrong.
        """
        fitted, left_out = list[_Fitted](), dict[str, str]()
        for entry in entries:
            try:
                fitted.append(self._fitted(entry))
            except TrainingError as error:
                left_out[entry.name] = str(error)
        if not fitted:
            raise TrainingError(f"no model can be fitted: {left_out}")
        by = self._settings.chosen_by
        chosen = max(fitted, key=lambda one: one.validation[by]).entry.name
        for number, one in enumerate(fitted):
            one.tested = [self._measures.measure(self._ranked_for_test(model)) for model in one.models]
            self._on_progress("test", number + 1, len(fitted))
        best = _per_user(next(one for one in fitted if one.entry.name == chosen).tested)
        models = {}
        for number, one in enumerate(fitted):
            models[one.entry.name] = self._values(one, best)
            self._on_progress("intervals, missing modalities, new items", number + 1, len(fitted))
        return {
            "chosen": chosen,
            "chosen_by": f"{by} of validation",
            "models": models,
            "left_out": left_out,
        }

    def _fitted(self, entry: ModelEntry) -> _Fitted:
        """Steps 1 and 2."""
        fits = len(entry.grid) + (self._settings.seeds - 1 if entry.is_random else 0)
        grid: list[Values] = []
        best: tuple[float, int, OfflineModel] | None = None
        began = time.process_time()
        for number, settings in enumerate(entry.grid):
            model = self._fit(entry, settings, 0, self._split)
            found = self._validated(model)
            grid.append({"settings": dict(settings), **found})
            reached = found[self._settings.chosen_by]
            if best is None or reached > best[0]:
                best = (reached, number, model)
            self._on_progress(entry.name, number + 1, fits)
        assert best is not None, "a grid is never empty"
        _, number, model = best
        models, validated = [model], [grid[number]]
        for seed in range(1, self._settings.seeds if entry.is_random else 1):
            models.append(self._fit(entry, entry.grid[number], seed, self._split))
            validated.append(self._validated(models[-1]))
            self._on_progress(entry.name, len(entry.grid) + seed, fits)
        metrics = [name for name in validated[0] if name != "settings"]
        return _Fitted(
            entry=entry,
            settings=entry.grid[number],
            models=models,
            grid=grid,
            validation={name: float(np.mean([one[name] for one in validated])) for name in metrics},
            fit_s=time.process_time() - began,
        )

    def _fit(self, entry: ModelEntry, settings: Mapping[str, Any], seed: int, split: Split) -> OfflineModel:
        """A model fitted on the training part of a split, with its validation part to stop by."""
        by = self._settings.chosen_by

        def validate(model: OfflineModel) -> float:
            rankings = rank_all(model.scores, split.validation, split.train, depth=1)
            return mean(accuracy(rankings, self._settings.cutoffs)[by]) or 0.0

        def on_progress(done: int, total: int) -> None:
            self._on_progress("this fit", done, total)

        model = entry.make(settings)
        context = FitContext(seed, validate if split.validation.nnz else None, on_progress, split.histories)
        model.fit(split.train, self._features, context)
        return model

    def _validated(self, model: OfflineModel) -> Values:
        rankings = rank_all(model.scores, self._split.validation, self._split.train, depth=1)
        return {
            name: mean(values) or 0.0 for name, values in accuracy(rankings, self._settings.cutoffs).items()
        }

    def _ranked_for_test(self, model: OfflineModel) -> Rankings:
        depth = max(self._settings.cutoffs)
        return rank_all(model.scores, self._split.test, self._split.seen_at_test, depth=depth)

    def _values(self, fitted: _Fitted, best: Mapping[str, PerUser]) -> Values:
        """A model's part of the report."""
        own, users = _per_user(fitted.tested), fitted.tested[0].users
        by_seed = [one.values() for one in fitted.tested]
        found: Values = {
            **mean_of(by_seed),
            "users": len(users),
            "settings": dict(fitted.settings),
            "seeds": list(range(len(fitted.models))),
            "standard_deviation": _deviations(by_seed),
            "intervals": _intervals(own) | _lift_intervals(fitted.tested),
            "minus_chosen": _intervals({name: values - best[name] for name, values in own.items()}),
            "segments": mean_of([dict(one.segments) for one in fitted.tested]),
            "validation": {**fitted.validation, "grid": fitted.grid},
            "uses_item_ids": fitted.entry.uses_item_ids,
            "source": fitted.entry.source,
            "fit_processor_s": fitted.fit_s,
        }
        if isinstance(fitted.models[0], ContentModel):
            if self._settings.masks:
                found["masks"] = self._masked(fitted, own)
            if self._cold is not None:
                # Without the new items there may be nothing left that it could learn from.
                with suppress(TrainingError):
                    found["cold_items"] = self._cold_items(fitted, self._cold)
        return found

    def _masked(self, fitted: _Fitted, own: Mapping[str, PerUser]) -> Values:
        """Metrics of the test with modalities taken away at serving, and the share of each that is lost."""
        found: Values = {}
        own_modalities = fitted.entry.modalities
        for mask in self._settings.masks:
            if own_modalities and mask not in (*own_modalities, RANDOM_HALF):
                continue
            features = masked(self._features, mask)
            seeds = []
            for model in fitted.models:
                assert isinstance(model, ContentModel)
                model.serve(features)
                seeds.append(accuracy(self._ranked_for_test(model), self._settings.cutoffs))
            values = {name: mean(np.mean([one[name] for one in seeds], axis=0)) for name in seeds[0]}
            found[mask] = {**values, "lost": {name: _lost(mean(own[name]), values[name]) for name in values}}
        return found

    def _cold_items(self, fitted: _Fitted, cold: ColdItems) -> Values:
        """Metrics of items that nobody took, among all items and among each other."""
        among_all: list[Values] = []
        among_cold: list[Values] = []
        for seed in range(len(fitted.models)):
            model = self._fit(fitted.entry, fitted.settings, seed, cold.split)
            for found, allowed in ((among_all, None), (among_cold, cold.is_cold)):
                rankings = rank_all(model.scores, cold.split.test, cold.split.train, depth=1, allowed=allowed)
                found.append(_means(accuracy(rankings, self._settings.cutoffs)))
        return {"among_all": mean_of(among_all), "among_new": mean_of(among_cold)}


def mean_of(values: Sequence[Mapping[str, Any]]) -> Values:
    """The mean of each number over several nested objects of the same keys; None where one has none."""
    found: Values = {}
    for name, first in values[0].items():
        every = [one[name] for one in values]
        if isinstance(first, Mapping):
            found[name] = mean_of(every)
        elif all(isinstance(one, int) for one in every) and len(set(every)) == 1:
            found[name] = first
        else:
            found[name] = None if any(one is None for one in every) else float(np.mean(every))
    return found


def _per_user(measured: Sequence[Measured]) -> dict[str, PerUser]:
    """Each person's metrics as the mean over seeds: the people are the same for all."""
    return {name: np.mean([one.per_user[name] for one in measured], axis=0) for name in measured[0].per_user}


def _means(per_user: Mapping[str, PerUser]) -> Values:
    return {"users": len(per_user["auc"]), **{name: mean(values) for name, values in per_user.items()}}


def _deviations(by_seed: Sequence[Mapping[str, float | None]]) -> Values:
    """Of each metric over the seeds; None for one seed, and where the metric does not exist."""
    found: Values = {}
    for name in by_seed[0]:
        values = [value for one in by_seed if (value := one[name]) is not None]
        found[name] = float(np.std(values, ddof=1)) if 1 < len(values) == len(by_seed) else None
    return found


def _intervals(per_user: Mapping[str, PerUser]) -> Values:
    """Of the mean of each metric over the people for whom it exists."""
    values = np.stack(list(per_user.values()), axis=1)
    exists = np.isfinite(values)
    found = intervals_of_ratios(np.where(exists, values, 0.0), exists.astype(np.float64), _INTERVAL_SEED)
    return {name: _plain(one) for name, one in zip(per_user, found, strict=True)}


def _lift_intervals(tested: Sequence[Measured]) -> Values:
    """Of the lift of popularity, a mean over people divided by another, less one."""
    found: Values = {}
    for k in tested[0].popularity:
        lists, histories = np.mean([one.popularity[k] for one in tested], axis=0)
        exists = np.isfinite(lists) & np.isfinite(histories)
        above, below = (np.where(exists, values, 0.0)[:, None] for values in (lists, histories))
        (ratio,) = intervals_of_ratios(above, below, _INTERVAL_SEED)
        if ratio is not None:
            ratio = replace(ratio, mean=ratio.mean - 1.0, low=ratio.low - 1.0, high=ratio.high - 1.0)
        found[f"popularity_lift@{k}"] = _plain(ratio)
    return found


def _plain(interval: Interval | None) -> Values | None:
    return None if interval is None else asdict(interval)


def _lost(whole: float | None, left: float | None) -> float | None:
    return None if not whole or left is None else 1.0 - left / whole
