"""HR, NDCG and MRR against NIST's trec_eval, and what holds for every rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.ranking_metrics import NOT_RANKED, RankMetrics, hit_rate, ndcg, reciprocal_rank

RANKS = st.lists(st.integers(0, 60), min_size=1, max_size=40)


def test_an_item_in_third_place() -> None:
    ranks = np.array([3])
    assert hit_rate(ranks, 10) == [1.0]
    assert ndcg(ranks, 10) == [0.5]  # 1 / log₂ 4
    assert reciprocal_rank(ranks, 10) == pytest.approx([1 / 3])


def test_beyond_the_cutoff_and_not_ranked_are_both_a_miss() -> None:
    ranks = np.array([11, NOT_RANKED])
    for metric in (hit_rate, ndcg, reciprocal_rank):
        assert metric(ranks, 10).tolist() == [0.0, 0.0]
        assert metric(np.array([10]), 10)[0] > 0


@given(RANKS)
def test_trec_eval_says_the_same(ranks: list[int]) -> None:
    # A list of 60 items for each event, the relevant one at its rank; trec_eval orders by falling score.
    relevant = {str(query): {"chosen": 1} for query in range(len(ranks))}
    lists = {
        str(query): {
            "chosen" if place == rank else f"other-{place}": float(100 - place) for place in range(1, 61)
        }
        for query, rank in enumerate(ranks)
    }
    measures = {"success_10,20", "ndcg_cut_10,20", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(lists)

    def mean(name: str) -> float:
        return float(np.mean([theirs[str(query)][name] for query in range(len(ranks))]))

    metrics = RankMetrics((10, 20, 60))
    for rank in ranks:
        metrics.add(rank)
    ours = metrics.values()
    for cutoff in (10, 20):
        assert ours[f"hr@{cutoff}"] == pytest.approx(mean(f"success_{cutoff}"))
        assert ours[f"ndcg@{cutoff}"] == pytest.approx(mean(f"ndcg_cut_{cutoff}"))
    # trec_eval does not cut reciprocal ranks off.
    assert ours["mrr@60"] == pytest.approx(mean("recip_rank"))


@given(RANKS)
def test_the_means_of_a_stream_are_those_of_arrays(ranks: list[int]) -> None:
    metrics = RankMetrics((10, 20))
    for rank in ranks:
        metrics.add(rank)
    values = metrics.values()
    array = np.array(ranks)
    assert values["n"] == len(ranks)
    for name, metric in (("hr", hit_rate), ("ndcg", ndcg), ("mrr", reciprocal_rank)):
        for cutoff in (10, 20):
            assert values[f"{name}@{cutoff}"] == pytest.approx(metric(array, cutoff).mean())


@given(RANKS)
def test_a_metric_grows_with_the_cutoff_and_orders_the_three(ranks: list[int]) -> None:
    array = np.array(ranks)
    for metric in (hit_rate, ndcg, reciprocal_rank):
        assert (metric(array, 10) <= metric(array, 20)).all()
    assert (reciprocal_rank(array, 20) <= ndcg(array, 20) + 1e-12).all()
    assert (ndcg(array, 20) <= hit_rate(array, 20)).all()


def test_without_an_event_there_is_no_metric() -> None:
    assert RankMetrics((10,)).values() == {"n": 0, "hr@10": None, "ndcg@10": None, "mrr@10": None}


def test_ndcg_of_the_last_place() -> None:
    assert ndcg(np.array([20]), 20)[0] == pytest.approx(1 / math.log2(21))
