"""Texts a second of processor time, by text encoder, on one thread.

    python -m tests.benchmarks.text_rates --data FOLDER --encoder FOLDER [--encoder FOLDER]... [--texts N]

The first titles of MovieLens-100k (for evaluation alone), and titles with plots, in batches as workers have
them; the better of two rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from models.encoders.encoder import Encoder
from models.encoders.loading import load_encoder
from models.preprocessing.text import item_text
from workers.cli.output import console, table

BATCH = 16


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--encoder", type=Path, action="append", required=True, help="folder of an encoder")
    parser.add_argument("--texts", type=int, default=96)
    arguments = parser.parse_args(argv)
    lines = (arguments.data / "movielens-100k" / "items.jsonl").read_text("utf-8").splitlines()
    films = [film for film in map(json.loads, lines) if film.get("plot")][: arguments.texts]
    titles = [item_text(film["title"], None) for film in films]
    plots = [item_text(film["title"], film["plot"]) for film in films]
    encoders = [load_encoder(folder) for folder in arguments.encoder]
    rows = [(one.name, round(rate(one, titles)), round(rate(one, plots), 1)) for one in encoders]
    console().print(table(("encoder", "titles a second", "plots a second"), rows))


def rate(encoder: Encoder[str], texts: Sequence[str]) -> float:
    """Texts a second of processor time."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        for start in range(0, len(texts), BATCH):
            encoder.encode(texts[start : start + BATCH])
        seconds.append(time.process_time() - began)
    return len(texts) / min(seconds)


if __name__ == "__main__":
    main()
