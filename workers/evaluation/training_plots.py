"""Plots of a newly trained model beside the one in use, whatever kind of model it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.evaluation.people_features import PEOPLE_FEATURES
from workers.evaluation.comparison_tables import models_of
from workers.evaluation.plots import log_scale, new_axes, new_grid_of_axes, saved

Values = Mapping[str, Any]
_INCHES_A_BAR = 0.22
_LABELS = {
    "interactions": "interactions of the person",
    "popularity": "mean popularity of what they took",
    "variety": "variety of what they took",
}


def modalities(found: Values, path: Path) -> Path:
    """Recall@20 by the modalities that are served."""
    models, names = models_of(found), list(found["trained"]["subsets"])[::-1]
    drawn, axes = new_axes(
        "Recall@20 of validation by modalities served",
        height=1.2 + _INCHES_A_BAR * len(names) * (1 + len(models)),
    )
    height = 0.8 / len(models)
    for number, (label, one) in enumerate(models.items()):
        places = [place - number * height for place in range(len(names))]
        axes.barh(places, [one["subsets"][name] for name in names], height=height, label=label)
    axes.set_yticks([place - (len(models) - 1) * height / 2 for place in range(len(names))], names)
    drawn.legend(loc="outside lower center", ncols=len(models))
    return saved(drawn, path)


def missing(found: Values, path: Path) -> Path:
    """Recall@20 as features go missing."""
    drawn, axes = new_axes("Recall@20 of validation as features go missing")
    for label, one in models_of(found).items():
        shares = [100 * float(share) for share in one["missing"]]
        axes.plot(shares, list(one["missing"].values()), marker=".", label=label)
    axes.set_xlabel("features missing, %")
    axes.set_ylim(bottom=0)
    axes.legend()
    return saved(drawn, path)


def people(found: Values, path: Path) -> Path:
    """Features of people against the mean score of what they then took, and of all that they could take."""
    models = models_of(found)
    drawn, grid = new_grid_of_axes(
        "Mean score (cosine) by what is known of people", len(models), len(PEOPLE_FEATURES)
    )
    for number, (row, (label, one)) in enumerate(zip(grid, models.items(), strict=True)):
        for axes, feature in zip(row, PEOPLE_FEATURES, strict=True):
            groups = one["people"][feature]
            means = [group["mean"] for group in groups]
            taken, every = ([group[key] for group in groups] for key in ("score", "score of all"))
            axes.plot(means, taken, color=f"C{number}", marker=".", label="what they took next")
            axes.plot(means, every, color="grey", linestyle=":", marker=".", label="all that they could take")
        row[0].set_ylabel(label)
    for axes, feature in zip(grid[-1], PEOPLE_FEATURES, strict=True):
        axes.set_xlabel(_LABELS[feature], fontsize="small")
    log_scale(grid[-1][0], "x")
    handles, labels = grid[0][0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    return saved(drawn, path)


def calibration(found: Values, path: Path) -> Path:
    """The predicted probability against the share that was taken; on the line they agree."""
    drawn, axes = new_axes("Calibration: is an item taken as often as its score says?", height=4.4)
    shares = []
    for label, one in models_of(found).items():
        bins = [bin_ for bin_ in (one["calibration"] or {"bins": []})["bins"] if bin_["observed"] > 0]
        predicted, observed = ([100 * bin_[key] for bin_ in bins] for key in ("predicted", "observed"))
        axes.plot(predicted, observed, marker="o", label=label)
        shares += predicted + observed
    if shares:
        axes.plot([min(shares), max(shares)], [min(shares), max(shares)], "k--", linewidth=0.8, label="equal")
        log_scale(axes, "x", "{x:.2g} %")
        log_scale(axes, "y", "{x:.2g} %")
        axes.legend()
    axes.set_xlabel("predicted probability that the person takes the item")
    axes.set_ylabel("share of pairs that were taken")
    return saved(drawn, path)


PLOTS = {
    "modalities.png": modalities,
    "missing.png": missing,
    "people.png": people,
    "calibration.png": calibration,
}
"""File → what draws it."""
