"""What a text encoder's words are worth on MovieLens-100k: validation alone, the test part is not ranked.

    python -m tests.benchmarks.own_words --data FOLDER [--encoder FOLDER]... [--teacher]

Leave-one-out: of each person the last film but one that they liked is to be found among the first twenty of
all films by the nearest titles and plots of those before (`ContentNeighbours`, each number of neighbours that
`freshet evaluate offline` tries). Beside it, with --teacher (the extra `train`), how cosines of plots agree
with all-MiniLM-L6-v2. It is what the figures of `freshet train text` in docs/experiments.md are by.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from models.datasets import open_dataset
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.evaluation.full_ranking import rank_all
from models.evaluation.splits import split
from models.evaluation.user_metrics import accuracy
from models.offline.interface import FitContext
from models.offline.neighbours import ContentNeighbours
from models.preprocessing.text import item_text
from streams.settings import Settings
from workers.cli.output import console, table
from workers.evaluation.offline_data import interaction_data

NEIGHBOURS = (10, 50, 200, 1_000)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--encoder", type=Path, action="append", help="folder of a text encoder")
    parser.add_argument("--teacher", action="store_true", help="compare with all-MiniLM-L6-v2 too")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.data / "movielens-100k")
    settings = Settings(**dataset.settings)
    # Encoded below, by each encoder in turn.
    data = replace(interaction_data(dataset, settings, modalities=()).data, features={})
    parts = split(data, "leave-one-out")
    texts = [item_text(film.title, film.description) for film in dataset.items()]
    teacher = import_module("models.training.text_teacher").TextTeacher() if arguments.teacher else None
    lines = []
    for path in arguments.encoder or [BUNDLED_FOLDER / settings.encoders.text]:
        encoder = load_encoder(path)
        features = {"text": encoder.encode(texts)}
        shown = []
        for neighbours in NEIGHBOURS:
            model = ContentNeighbours(("text",), neighbours)
            model.fit(parts.train, features, FitContext(0))
            found = accuracy(rank_all(model.scores, parts.validation, parts.train), (20,))["recall@20"]
            shown.append(f"{found.mean():.4f} ± {found.std() / np.sqrt(len(found)):.4f}")
        if teacher is not None:
            quality = import_module("models.training.text").plot_quality
            shown.append(f"{quality(path, teacher, arguments.data, None).value:.4f}")
        lines.append((encoder.name, *shown))
    columns = ["validation recall@20, neighbours", *(f"{count:,}" for count in NEIGHBOURS)]
    console().print(table([*columns, *(["Spearman"] if teacher else [])], lines))


if __name__ == "__main__":
    main()
