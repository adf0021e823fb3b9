"""A newly trained model beside the one in use, as a person sees it in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from workers.cli.output import note, table


def show_comparison(found: Mapping[str, Any], shown: Console) -> None:
    """Print both, also with modalities taken away, or the new one and why it was not compared."""
    # Here, so that no command that needs no NumPy loads it.
    from workers.evaluation.comparison_tables import (
        COLUMNS,
        beside_each_other,
        comparison_rows,
        missing_rows,
        models_of,
        why_not_compared,
    )

    why = why_not_compared(found)
    if why is not None:
        note(why)
    shown.print(table(COLUMNS, comparison_rows(found), "Beside the model in use"))
    names = list(models_of(found))
    by_subset = beside_each_other(found, "subsets")
    shown.print(table(("modalities served", *names), by_subset, "\nValidation recall@20 by modality"))
    shown.print(table(("features missing", *names), missing_rows(found), "\nAs features go missing"))
