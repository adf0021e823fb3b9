"""Is the film that somebody describes in their own words near the top of their list?

    python -m tests.benchmarks.asking_in_words --data FOLDER [--teacher] [--json FILE]

200 descriptions of films (`asking_in_words.jsonl`), each written for this test from what the film is about:
one or two sentences without its title, the names of its people, or five words in a row of its plot. Each is
asked by somebody without a history, of all films of MovieLens-100k (which is for evaluation alone) with
their titles and plots, through the product's own path: the text encoder in use, fused as a text, the base
scorer and the cascade. For comparison, the same films by BM25 (Robertson and Zaragoza 2009, k₁ = 1.2, b =
.75) and, with ``--teacher``, by all-MiniLM-L6-v2, which the bundled encoder is distilled from.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.cascade.cascade import Cascade
from models.cascade.lists import ListSettings, cascade_list
from models.encoders.loading import BUNDLED_FOLDER, load_encoder
from models.preprocessing.text import item_text
from models.ranking import ListOrder, ListQuery, RankingSettings, make_list
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from streams.settings import Settings
from workers.cli.output import console, table
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.model_settings import cascade_settings, ranking_settings, rerank_settings

QUERIES = Path(__file__).with_suffix(".jsonl")
PLACES = 20
NOW_MS = 1_700_000_000_000
_WORD = re.compile(r"[^\W_]+")
Scores = NDArray[np.floating]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints a table or writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds movielens-100k")
    parser.add_argument("--encoder", type=Path, help="folder of a text encoder instead of the one in use")
    parser.add_argument("--teacher", action="store_true", help="also all-MiniLM-L6-v2 (extra `train`)")
    parser.add_argument("--json", type=Path, dest="json_file")
    arguments = parser.parse_args(argv)
    films = [
        json.loads(line)
        for line in (arguments.data / "movielens-100k" / "items.jsonl").read_text("utf-8").splitlines()
    ]
    asked = [json.loads(line) for line in QUERIES.read_text("utf-8").splitlines()]
    check(films, asked)
    ids = [str(film["item_id"]) for film in films]
    texts = [item_text(film["title"], film.get("plot")) for film in films]
    queries = [str(one["query"]) for one in asked]
    targets = [str(one["item_id"]) for one in asked]
    row_of = {item_id: row for row, item_id in enumerate(ids)}
    rows = [row_of[target] for target in targets]
    folder = arguments.encoder or BUNDLED_FOLDER / Settings().encoders.text
    encoder = load_encoder(folder)
    vectors = encoder.encode(texts)
    begun = time.process_time()
    wanted = encoder.encode(queries)
    encode_ms = (time.process_time() - begun) * 1_000 / len(queries)
    by_encoder = wanted @ vectors.T
    by_words = bm25(texts, queries)
    found = {encoder.name: ranks(by_encoder, rows)}
    if arguments.encoder is None:
        found |= product_ranks(vectors, wanted, ids, targets)
    found["BM25"] = ranks(by_words, rows)
    if arguments.teacher:
        from models.training.text_teacher import TextTeacher

        teacher = TextTeacher()
        found["all-MiniLM-L6-v2"] = ranks(teacher.encode_texts(queries) @ teacher.encode_texts(texts).T, rows)
    report = {name: measures(one) for name, one in found.items()}
    lines = [
        (name, f"{one['first_20']:.3f}", f"{one['first_5']:.3f}", f"{one['first']:.3f}", f"{one['mrr']:.3f}")
        for name, one in report.items()
    ]
    console().print(table(("by", "in the first 20", "first 5", "first", "MRR"), lines))
    console().print(
        f"{len(queries)} descriptions, {len(films)} films; a description is encoded in {encode_ms:.2f} ms"
    )
    if arguments.json_file is not None:
        arguments.json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def check(films: Sequence[dict[str, object]], asked: Sequence[dict[str, object]]) -> None:
    """Exits where a description gives its film away: by its title, or by five words of its plot in a row."""
    by_id = {film["item_id"]: film for film in films}
    wrong = []
    for one in asked:
        film = by_id[one["item_id"]]
        said = words(str(one["query"]))
        title = {word for word in words(str(film["title"])) if len(word) > 2 and not word.isdigit()} - {"the"}
        runs = {tuple(said[at : at + 5]) for at in range(len(said) - 4)}
        plot = words(str(film["plot"]))
        if runs & {tuple(plot[at : at + 5]) for at in range(len(plot) - 4)}:
            wrong.append(f"{one['item_id']}: five words in a row stand in its plot")
        if title and title <= set(said):
            wrong.append(f"{one['item_id']}: it names {film['title']}")
    if wrong:
        sys.exit("\n".join(wrong))


def product_ranks(
    vectors: NDArray[np.float32], wanted: NDArray[np.float32], ids: Sequence[str], targets: Sequence[str]
) -> dict[str, list[int]]:
    """Places in lists as the recommend role makes them for a stranger, re-ranking included."""
    settings = Settings()
    fusion = fusion_in_use(settings, encoder_registry(settings))
    index = ItemIndex(fusion.dimension)
    fused = fusion.fuse_batch([{"text": vector} for vector in vectors])
    for item_id, vector in zip(ids, fused, strict=True):
        index.upsert(item_id, vector, created_at_ms=0)
    base: RankingSettings = ranking_settings(settings)
    cascade = Cascade(index, cascade_settings(settings))
    reranked: RerankSettings = rerank_settings(settings.rerank)
    lists = ListSettings(budgets=settings.sources.model_dump(), rerank=reranked, base=base)

    def places(make: Callable[[ListQuery], Sequence[str]]) -> list[int]:
        found = []
        for vector, target in zip(wanted, targets, strict=True):
            listed = make(ListQuery(count=PLACES, asked=fusion.fuse({"text": vector})))
            found.append(listed.index(target) + 1 if target in listed else len(ids))
        return found

    return {
        "lists of the base scorer": places(
            lambda query: [one.item_id for one in make_list(index, None, query, NOW_MS, base).items]
        ),
        "lists of the cascade": places(
            lambda query: [
                one.item_id
                for one in cascade_list(index, cascade, ListOrder(None, query, NOW_MS), lists).items
            ]
        ),
    }


def ranks(scores: Scores, rows: Sequence[int]) -> list[int]:
    """The place of each query's row among all, from 1; equal scores count against it."""
    own = scores[np.arange(len(rows)), rows]
    return [int(one) for one in (scores >= own[:, None]).sum(axis=1)]


def measures(places: Sequence[int]) -> dict[str, float]:
    """Shares of queries whose film is in the first places, and the mean reciprocal rank."""
    at = np.array(places)
    return {
        "first_20": float((at <= 20).mean()),
        "first_5": float((at <= 5).mean()),
        "first": float((at <= 1).mean()),
        "mrr": float((1.0 / at).mean()),
    }


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.casefold())


def bm25(texts: Sequence[str], queries: Sequence[str], k1: float = 1.2, b: float = 0.75) -> Scores:
    """Okapi BM25 of every text for every query, float64 [queries, texts]."""
    counts = [Counter(words(text)) for text in texts]
    lengths = np.array([sum(one.values()) for one in counts], np.float64)
    known = Counter(word for one in counts for word in one)
    scores = np.zeros((len(queries), len(texts)))
    for number, query in enumerate(queries):
        for word in set(words(query)):
            frequency = np.array([one.get(word, 0) for one in counts], np.float64)
            rarity = math.log(1 + (len(texts) - known[word] + 0.5) / (known[word] + 0.5))
            norm = frequency + k1 * (1 - b + b * lengths / lengths.mean())
            scores[number] += rarity * frequency * (k1 + 1) / norm
    return scores


if __name__ == "__main__":
    main()
