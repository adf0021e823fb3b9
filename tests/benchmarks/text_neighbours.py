"""Do films whose texts are near share genres, and the people who like them?

    python -m tests.benchmarks.text_neighbours --data FOLDER [--encoder FOLDER]...

Of MovieLens-100k (for evaluation alone), the films that have a plot and ten ratings of at least 4. For each,
its ten nearest by title and plot: the mean Jaccard index of genres, and the mean cosine of who likes them.
Beside them what pairs have at random.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.preprocessing.text import item_text
from streams.settings import Settings
from workers.cli.output import console, table

NEIGHBOURS = 10
LEAST_LIKES = 10
Floats = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--encoder", type=Path, action="append", help="folder of a text encoder")
    arguments = parser.parse_args(argv)
    folder = arguments.data / "movielens-100k"
    films = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    likes = liked_by(folder / "ratings.csv.gz", [str(film["item_id"]) for film in films])
    kept = [at for at, film in enumerate(films) if film.get("plot") and likes[at].sum() >= LEAST_LIKES]
    films, likes = [films[at] for at in kept], likes[kept]
    genres = jaccard([set(film["genres"]) for film in films])
    people = likes @ likes.T / np.sqrt(np.outer(likes.sum(1), likes.sum(1)))
    texts = [item_text(film["title"], film["plot"]) for film in films]
    lines = [("pairs at random", f"{_mean(genres):.4f}", f"{_mean(people):.4f}")]
    for path in arguments.encoder or [BUNDLED_FOLDER / Settings().encoders.text]:
        encoder = load_encoder(path)
        vectors = encoder.encode(texts)
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -np.inf)
        nearest = np.argsort(-similar, axis=1)[:, :NEIGHBOURS]
        shared = [np.take_along_axis(one, nearest, axis=1).mean() for one in (genres, people)]
        lines.append((encoder.name, *(f"{one:.4f}" for one in shared)))
    console().print(table((f"{len(films)} films", "genres", "people"), lines))


def liked_by(file: Path, item_ids: Sequence[str]) -> Floats:
    """1 where a person rated a film 4 or 5, float64 [films, people]."""
    row_of = {item_id: row for row, item_id in enumerate(item_ids)}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rated = [one for one in csv.DictReader(lines) if float(one["rating"]) >= 4]
    column_of = {user: column for column, user in enumerate(sorted({one["user_id"] for one in rated}))}
    likes = np.zeros((len(item_ids), len(column_of)))
    for one in rated:
        likes[row_of[one["item_id"]], column_of[one["user_id"]]] = 1.0
    return likes


def jaccard(sets: Sequence[set[str]]) -> Floats:
    """The Jaccard index of every pair, float64 [n, n]."""
    names = sorted(set[str]().union(*sets))
    member = np.array([[name in one for name in names] for one in sets], np.float64)
    both = member @ member.T
    sizes = member.sum(axis=1)
    return np.asarray(both / np.maximum(sizes[:, None] + sizes - both, 1.0))


def _mean(pairs: Floats) -> float:
    return float(pairs[~np.eye(len(pairs), dtype=bool)].mean())


if __name__ == "__main__":
    main()
