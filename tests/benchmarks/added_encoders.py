"""What a sentence transformer costs and gives as an added encoder, in float32 and in int8.

    python -m tests.benchmarks.added_encoders --data FOLDER --model FOLDER --out FOLDER

Adds the model twice, compared and centred on plots of MovieLens-100k (for evaluation alone), and measures
texts a second of processor time on one thread: titles, and titles with plots. How good neighbours are by
these encoders says `tests.benchmarks.text_neighbours` with `--encoder` OUT/float and OUT/int8.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from models.encoders.encoder import Encoder
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from models.preprocessing.text import item_text
from streams.settings import Settings
from workers.cli.output import console, table

TEXTS = 256
BATCH = 16


def main(argv: Sequence[str] | None = None) -> None:
    """Adds, measures, and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--model", type=Path, required=True, help="the folder of a sentence transformer")
    parser.add_argument("--out", type=Path, required=True, help="where the encoders are written")
    arguments = parser.parse_args(argv)
    lines = (arguments.data / "movielens-100k" / "items.jsonl").read_text("utf-8").splitlines()
    films = [film for film in map(json.loads, lines) if film.get("plot")]
    titles = [item_text(film["title"], None) for film in films]
    plots = [item_text(film["title"], film["plot"]) for film in films]
    arguments.out.mkdir(parents=True, exist_ok=True)
    sample = arguments.out / "plots.txt"
    sample.write_text("\n".join(plots), "utf-8")
    encoders = [load_encoder(BUNDLED_FOLDER / Settings().encoders.text)]
    for name, int8 in (("float", False), ("int8", True)):
        request = AddRequest(
            source=str(arguments.model), out=arguments.out, name=name, int8=int8, sample=sample
        )
        (added,) = add_encoders(request)
        encoders.append(load_encoder(added.folder))
    measured = [
        (encoder.name, what, f"{figure.value:.6f}", figure.dataset)
        for encoder in encoders[1:]
        for what, figure in encoder.manifest.quality.items()
    ]
    console().print(table(("encoder", "measured", "value", "on"), measured))
    rows = [
        (
            encoder.name,
            f"{sum(entry.size_bytes for entry in encoder.manifest.files) / 1e6:.1f} MB",
            round(rate(encoder, titles[:TEXTS])),
            round(rate(encoder, plots[:TEXTS])),
        )
        for encoder in encoders
    ]
    console().print(table(("encoder", "size", "titles a second", "plots a second"), rows))


def rate(encoder: Encoder[str], texts: Sequence[str]) -> float:
    """Texts a second of processor time, in batches as workers have them; the better of two rounds."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        for start in range(0, len(texts), BATCH):
            encoder.encode(texts[start : start + BATCH])
        seconds.append(time.process_time() - began)
    return len(texts) / min(seconds)


if __name__ == "__main__":
    main()
