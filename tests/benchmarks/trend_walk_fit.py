"""The six weights of `trend-walk` again: the most likely ones for validation of a matrix with its split.

    python -m tests.benchmarks.trend_walk_fit --dataset FOLDER [--folds 5]

Each validation item is one choice among all items that the person had not taken. Prints each weight as it
is fitted, with its standard error, and as it stands in the code; then Recall@20 and NDCG@20 of the people of
each fold by weights fitted on the other folds alone. The test part of the folder is not read. Takes half a
gigabyte for 3,000 people and 6,700 items.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets import read_presplit
from models.datasets.interactions import TRAIN, VALIDATION, InteractionData
from models.evaluation.bootstrap import interval_over_users
from models.evaluation.full_ranking import rank_all
from models.evaluation.user_metrics import accuracy
from models.offline.conditional_logit import Choices, Fit, fit_conditional_logit
from models.offline.interface import FitContext
from models.offline.trend_walk import SIGNALS, TrendWalk
from workers.cli.output import console, table

BLOCK_CHOICES, CUTOFF, SEED = 128, 20, 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What is learned from and what is chosen by, [users, items] each, with what items contain."""

    train: Any
    validation: Any
    data: InteractionData

    @classmethod
    def read(cls, folder: Path) -> Parts:
        """Of a folder as `read_presplit` reads it."""
        from scipy.sparse import csr_array

        data = read_presplit(folder, ("train", "val"))
        assert data.parts is not None
        found = {}
        for part in (TRAIN, VALIDATION):
            pairs = data.pairs[data.parts == part]
            ones = np.ones(len(pairs), np.float32)
            found[part] = csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(data.users, data.items))
        return cls(found[TRAIN], found[VALIDATION], data)

    def people(self) -> NDArray[np.int64]:
        """Those who have something in validation, int64 [n]."""
        return np.flatnonzero(np.diff(self.validation.indptr))


def main(argv: Sequence[str] | None = None) -> None:
    """Fits, and prints tables or writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="a folder with interactions.npz")
    parser.add_argument("--folds", type=int, default=5, help="0: only fit")
    parser.add_argument("--json", type=Path, dest="json_file")
    arguments = parser.parse_args(argv)
    parts = Parts.read(arguments.dataset)
    model = fitted(parts)
    report: dict[str, Any] = {"weights": weights_of(fit(parts, model, parts.people()))}
    if arguments.folds:
        report["cross_fitted"] = cross_fitted(parts, model, arguments.folds)
    show(report)
    if arguments.json_file is not None:
        arguments.json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def fitted(parts: Parts, **weights: Any) -> TrendWalk:
    """The model with these weights, fitted on the training part."""
    model = TrendWalk(**weights)
    model.fit(parts.train, parts.data.features, FitContext(SEED))
    return model


def fit(parts: Parts, model: TrendWalk, people: NDArray[np.int64]) -> Fit:
    """The most likely weights for what these people have in validation."""
    rows, chosen = parts.validation[people].nonzero()
    blocks = []
    for begin in range(0, len(rows), BLOCK_CHOICES):
        users = people[rows[begin : begin + BLOCK_CHOICES]]
        is_open = parts.train[users].toarray() == 0
        blocks.append(
            Choices(model.signals(users), is_open, chosen[begin : begin + BLOCK_CHOICES].astype(np.int64))
        )
    return fit_conditional_logit(blocks)


def weights_of(fit: Fit) -> dict[str, dict[str, float]]:
    """Each weight, its standard error, and the one in the code."""
    in_code = TrendWalk().weights
    return {
        name: {
            "fitted": float(fit.weights[number]),
            "standard_error": float(fit.standard_errors[number]),
            "in_code": in_code[name],
        }
        for number, name in enumerate(SIGNALS)
    }


def cross_fitted(parts: Parts, model: TrendWalk, folds: int) -> dict[str, Any]:
    """Metrics of people by weights that the fit of the other folds found."""
    people = np.random.default_rng(SEED).permutation(parts.people())
    users: list[NDArray[np.int64]] = []
    found: dict[str, list[NDArray[np.float64]]] = {"recall": [], "ndcg": []}
    by_fold = []
    for own in np.array_split(people, folds):
        fold = fit(parts, model, np.setdiff1d(people, own))
        by_fold.append(dict(zip(SIGNALS, fold.weights.tolist(), strict=True)))
        is_own = np.zeros(parts.data.users, np.float32)
        is_own[own] = 1
        target = parts.validation.multiply(is_own[:, None]).tocsr()
        target.eliminate_zeros()
        rankings = rank_all(fitted(parts, **by_fold[-1]).scores, target, parts.train, depth=1)
        values = accuracy(rankings, (CUTOFF,))
        users.append(rankings.users)
        for metric, kept in found.items():
            kept.append(values[f"{metric}@{CUTOFF}"])
    report: dict[str, Any] = {"people": len(people), "weights_by_fold": by_fold}
    for metric, kept in found.items():
        interval = interval_over_users(np.concatenate(users), np.concatenate(kept), SEED)
        assert interval is not None
        report[f"{metric}@{CUTOFF}"] = {"mean": interval.mean, "standard_error": interval.standard_error}
    return report


def show(report: dict[str, Any]) -> None:
    """Both parts as tables."""
    rows = [
        (name, f"{one['fitted']:.3f}", f"{one['standard_error']:.3f}", f"{one['in_code']:g}")
        for name, one in report["weights"].items()
    ]
    console().print(table(("weight", "fitted", "standard error", "in the code"), rows))
    if "cross_fitted" in report:
        crossed = report["cross_fitted"]
        cells = [
            f"{metric} {crossed[metric]['mean']:.4f} ± {crossed[metric]['standard_error']:.4f}"
            for metric in (f"recall@{CUTOFF}", f"ndcg@{CUTOFF}")
        ]
        console().print(f"people whom the weights did not see: {', '.join(cells)}, n = {crossed['people']:,}")


if __name__ == "__main__":
    main()
