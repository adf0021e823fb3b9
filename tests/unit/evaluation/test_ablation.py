"""Ranks without a part or a source, against ranking everything anew."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.cascade.ranking import Ranking
from models.evaluation.ablation import rank_of, ranks_without_parts, ranks_without_sources
from models.evaluation.ranking_metrics import NOT_RANKED


def ranking(seed: int, count: int, parts: int = 3, sources: int = 4) -> tuple[Ranking, np.ndarray]:
    """Candidates with whole numbers as parts, so that scores tie, and hashes by row."""
    random = np.random.default_rng(seed)
    values = random.integers(-2, 3, (count, parts)).astype(float)
    hashes = random.permutation(count).astype(np.uint64)
    proposed = random.integers(1, 2**sources, count).astype(np.uint32)
    order = np.lexsort((hashes, -values.sum(axis=1)))
    made = Ranking(
        rows=np.arange(count)[order],
        scores=values.sum(axis=1)[order],
        part_names=tuple(f"part-{number}" for number in range(parts)),
        parts=values[order],
        source_names=tuple(f"source-{number}" for number in range(sources)),
        sources=proposed[order],
    )
    return made, hashes


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_a_part_taken_away_is_ranking_without_it(seed: int, count: int) -> None:
    made, hashes = ranking(seed, count)
    of_candidates = hashes[made.rows]
    for row in range(count):
        found = ranks_without_parts(made, rank_of(made, row), of_candidates)
        for part in range(3):
            order = np.lexsort((of_candidates, -(made.scores - made.parts[:, part])))
            assert found[part] == list(made.rows[order]).index(row) + 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_a_source_taken_away_drops_what_it_alone_proposed(seed: int, count: int) -> None:
    made, _ = ranking(seed, count)
    for row in range(count):
        found = ranks_without_sources(made, rank_of(made, row))
        for source in range(4):
            kept = [
                int(one)
                for one, bits in zip(made.rows, made.sources.tolist(), strict=True)
                if bits & ~(1 << source)
            ]
            assert found[source] == (kept.index(row) + 1 if row in kept else NOT_RANKED)


def test_an_item_that_is_no_candidate_has_no_rank_whatever_is_taken_away() -> None:
    made, hashes = ranking(1, 5)
    assert rank_of(made, 99) == NOT_RANKED
    assert ranks_without_parts(made, NOT_RANKED, hashes).tolist() == [NOT_RANKED] * 3
    assert ranks_without_sources(made, NOT_RANKED).tolist() == [NOT_RANKED] * 4
