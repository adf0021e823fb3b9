"""Milliseconds to re-rank a list by stage, and summed distances beside a determinantal process.

    python tests/benchmarks/reranking.py [--candidates 400] [--dimension 256] [--count 20] [--repeat 300]

Candidates have a category of 12, two tags of 30, a price, and unit vectors around 20 centres, some near and
some far; the score is the cosine to a taste that is the sum of three centres, with noise. Times are medians
of processor time. Diversity is 1 − the mean cosine of two items of the list, relevance the mean of scores
brought to [0, 1]; both are means over 50 sets of candidates. The greedy determinantal process is that of
Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process", NeurIPS 2018, with the
kernel exp(α (r_i + r_j)) (1 + cos) / 2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.reranking import RerankInput, RerankSettings, Rule, rerank
from models.retrieval import FilterRange
from models.retrieval.item_filter import ItemFilter

HOUR_MS = 3_600_000
NOW_MS = 1_760_000_000_000
CENTRES = 20


def candidates(size: int, dimension: int, seed: int) -> RerankInput:
    """Candidates as above; one in seven was shown within the last half day."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(CENTRES, dimension))
    spread = random.uniform(0.2, 1.5, (size, 1))
    vectors = centres[random.integers(CENTRES, size=size)] + spread * random.normal(size=(size, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    taste = centres[:3].sum(axis=0)
    scores = vectors @ taste / np.linalg.norm(taste) + 0.15 * random.normal(size=size)
    order = np.argsort(-scores)
    scores, vectors = scores[order], vectors[order]
    attributes = [
        {
            "category": f"category-{random.integers(12)}",
            "price": float(random.uniform(0, 100)),
            "tags": [f"tag-{tag}" for tag in random.integers(30, size=2)],
        }
        for _ in range(size)
    ]
    item_ids = tuple(f"item-{number}" for number in range(size))
    return RerankInput(
        item_ids=item_ids,
        scores=scores,
        vectors=vectors.astype(np.float32),
        hashes=random.integers(0, 2**63, size).astype(np.uint64),
        attributes=attributes.__getitem__,
        positives=random.integers(3, 300, size),
        shown_ms={
            item_id: NOW_MS - int(random.integers(12 * HOUR_MS))
            for item_id in item_ids
            if random.random() < 1 / 7
        },
        now_ms=NOW_MS,
    )


def stages() -> dict[str, RerankSettings]:
    """Each stage alone, and all."""
    rules = (
        Rule(ItemFilter({"category": "category-3", "price": FilterRange(max=20)}), "pin"),
        Rule(ItemFilter({"tags": "tag-3"}), "boost", 0.5),
        Rule(ItemFilter({"category": ["category-1", "category-2"]}), "bury", 0.5),
    )
    alone: dict[str, dict[str, object]] = {
        "rules": {"rules": rules},
        "no repeats": {"no_repeat_hours": 12.0},
        "caps": {"max_per_attribute": {"category": 3, "tags": 4}},
        "slots": {"new_item_slots": 3, "new_item_events": 10},
        "diversity": {"diversity": 0.3},
        "diversity by two attributes": {"diversity": 0.3, "diversity_by": ("category", "tags")},
    }
    chance: dict[str, dict[str, object]] = {
        "epsilon": {"exploration": "epsilon"},
        "softmax": {"exploration": "softmax"},
    }
    together = {name: value for part in alone.values() for name, value in part.items()}
    named = {"nothing": {}} | alone | chance
    named |= {f"all, {name}": together | part for name, part in chance.items()}
    return {name: RerankSettings(**values) for name, values in named.items()}  # type: ignore[arg-type]


def milliseconds(call: Callable[[], object], repeat: int) -> float:
    """Median processor time of a call."""
    call()
    taken = []
    for _ in range(repeat):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return 1e3 * float(np.median(taken))


def relevance(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores brought to [0, 1]."""
    return (scores - scores.min()) / (scores.max() - scores.min())


def determinantal(
    scores: NDArray[np.float64], vectors: NDArray[np.float32], count: int, alpha: float
) -> list[int]:
    """Greedy MAP of a determinantal point process by incremental Cholesky factors."""
    quality = np.exp(alpha * relevance(scores))
    gains = quality**2
    factors = np.zeros((count, len(scores)))
    chosen: list[int] = []
    for step in range(count):
        best = int(np.argmax(gains))
        if gains[best] <= 1e-12:
            break
        chosen.append(best)
        kernel = quality * quality[best] * (1 + np.vecdot(vectors, vectors[best])) / 2
        row = (kernel - factors[:step, best] @ factors[:step]) / np.sqrt(gains[best])
        factors[step] = row
        gains = gains - row**2
        gains[best] = -np.inf
    return chosen


def quality(one: RerankInput, chosen: list[int]) -> tuple[float, float]:
    """(relevance, diversity) of a list."""
    vectors = one.vectors[chosen].astype(np.float64)
    cosines = vectors @ vectors.T
    pairs = len(chosen) * (len(chosen) - 1)
    diversity = 1 - (cosines.sum() - np.trace(cosines)) / pairs
    return float(relevance(one.scores)[chosen].mean()), float(diversity)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=400)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=300)
    arguments = parser.parse_args()
    count, console = arguments.count, Console()

    one = candidates(arguments.candidates, arguments.dimension, 0)
    times = Table("stage", "ms a list", title=f"{arguments.candidates} candidates, a list of {count}")
    random = np.random.default_rng(0)
    for name, settings in stages().items():
        times.add_row(
            name, f"{milliseconds(lambda s=settings: rerank(one, count, s, random), arguments.repeat):.2f}"
        )
    console.print(times)

    sets = [candidates(arguments.candidates, arguments.dimension, seed) for seed in range(50)]
    table = Table("", "relevance", "diversity", "ms a list")

    def add(name: str, choose: Callable[[RerankInput], list[int]]) -> None:
        means = np.mean([quality(each, choose(each)) for each in sets], axis=0)
        taken = milliseconds(lambda: choose(one), arguments.repeat)
        table.add_row(name, f"{means[0]:.3f}", f"{means[1]:.3f}", f"{taken:.2f}")

    for diversity in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        settings = RerankSettings(diversity=diversity)
        add(
            f"sums, δ = {diversity}",
            lambda each, s=settings: [item.position for item in rerank(each, count, s, random)],
        )
    for alpha in (20.0, 10.0, 6.0, 4.0, 3.0, 2.0, 1.0):
        add(f"DPP, α = {alpha:g}", lambda each, a=alpha: determinantal(each.scores, each.vectors, count, a))
    console.print(table)


if __name__ == "__main__":
    main()
