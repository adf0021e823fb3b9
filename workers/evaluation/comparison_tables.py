"""A newly trained model beside the one in use, as rows of tables: for the terminal as for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.offline.quality import METRICS

COLUMNS = ("model", "validation recall@20", "ndcg@20")
CALIBRATION_COLUMNS = ("model", "score from", "to", "pairs", "predicted", "observed")

Values = Mapping[str, Any]
Row = tuple[object, ...]


def comparison_rows(found: Values) -> list[Row]:
    """Rows of `COLUMNS`: the new model, the one in use, and what the new one has more, with its interval.

    The last two are missing where they were not compared: `why_not_compared` says why.
    """
    comparison = found["comparison"]
    rows: list[Row] = [("trained now", *(found["trained"][metric] for metric in METRICS))]
    if found["in_use"] is not None:
        rows.append(
            (f"in use: {comparison['in_use']}", *(found["in_use"][metric] for metric in METRICS)),
        )
        gains = [comparison["gain"][metric] for metric in METRICS]
        rows.append(
            (
                "gain, with its 95 % interval over people",
                *(f"{one['mean']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})" for one in gains),
            )
        )
    return rows


def why_not_compared(found: Values) -> str | None:
    """A sentence, or None where they were compared."""
    comparison = found["comparison"]
    if comparison["not_compared"] is None:
        return None
    return f"Not compared with {comparison['in_use']}: {comparison['not_compared']}"


def models_of(found: Values) -> dict[str, Values]:
    """What was measured, by what it is called in tables and plots: the new model first."""
    both = {"trained now": found["trained"], "in use": found["in_use"]}
    return {name: values for name, values in both.items() if values is not None}


def beside_each_other(found: Values, key: str) -> list[Row]:
    """Rows of a name and each model's value, of ``subsets`` or ``missing``."""
    models = models_of(found).values()
    return [(name, *(one[key][name] for one in models)) for name in found["trained"][key]]


def missing_rows(found: Values) -> list[Row]:
    """Rows of a share of features that are gone, and each model's value."""
    return [(f"{float(str(share)):.0%}", *values) for share, *values in beside_each_other(found, "missing")]


def calibration_rows(found: Values) -> list[Row]:
    """Rows of `CALIBRATION_COLUMNS`."""
    return [
        (name, one["from"], one["to"], one["pairs"], f"{one['predicted']:.2%}", f"{one['observed']:.2%}")
        for name, values in models_of(found).items()
        for one in (values["calibration"] or {"bins": []})["bins"]
    ]
