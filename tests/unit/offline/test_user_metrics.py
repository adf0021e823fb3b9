"""Metrics of people against ir-measures (which runs trec_eval) and SciPy."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG
from scipy.stats import mannwhitneyu

from models.evaluation.full_ranking import rank_all
from models.evaluation.user_metrics import ACCURACY, accuracy
from tests.unit.offline.worlds import matrix

ITEMS = 40
WORLDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 30))


def drawn(
    seed: int, people: int, held_out: int
) -> tuple[np.ndarray, dict[int, set[int]], dict[int, set[int]]]:
    """Scores without ties; what is held out of each person, and what the person took before."""
    random = np.random.default_rng(seed)
    scores = random.permuted(np.tile(np.arange(ITEMS, dtype=np.float32), (people, 1)), axis=1)
    targets, seen = {}, {}
    for person in range(people):
        order = random.permutation(ITEMS)
        count = int(random.integers(1, held_out + 1))
        targets[person] = set(order[:count].tolist())
        seen[person] = set(order[count : count + int(random.integers(0, 8))].tolist())
    return scores, targets, seen


def cells(of: dict[int, set[int]]) -> list[tuple[int, int]]:
    return [(person, item) for person, items in of.items() for item in sorted(items)]


@given(WORLDS)
def test_ir_measures_says_the_same(drawing: tuple[int, int, int]) -> None:
    scores, targets, seen = drawn(*drawing)
    shape = scores.shape
    ours = accuracy(
        rank_all(lambda users: scores[users], matrix(cells(targets), shape), matrix(cells(seen), shape)),
        (5, 20),
    )
    relevant = {str(person): {str(item): 1 for item in items} for person, items in targets.items()}
    lists = {
        str(person): {
            str(item): float(scores[person, item]) for item in range(ITEMS) if item not in seen[person]
        }
        for person in targets
    }
    measures = {"recall": R, "precision": P, "hr": Success, "ndcg": nDCG, "mrr": RR, "map": AP}
    assert measures.keys() == set(ACCURACY)
    for name, measure in measures.items():
        for k in (5, 20):
            theirs = {
                int(one.query_id): one.value for one in ir_measures.iter_calc([measure @ k], relevant, lists)
            }
            expected = [theirs[person] for person in range(len(targets))]
            assert ours[f"{name}@{k}"] == pytest.approx(expected, abs=1e-9), f"{name}@{k}"


@given(WORLDS)
def test_auc_is_the_statistic_of_mann_and_whitney(drawing: tuple[int, int, int]) -> None:
    scores, targets, seen = drawn(*drawing)
    rankings = rank_all(
        lambda users: scores[users], matrix(cells(targets), scores.shape), matrix(cells(seen), scores.shape)
    )
    for person, auc in enumerate(accuracy(rankings, (5,))["auc"].tolist()):
        relevant = sorted(targets[person])
        others = [item for item in range(ITEMS) if item not in targets[person] | seen[person]]
        statistic = mannwhitneyu(scores[person, relevant], scores[person, others]).statistic
        assert auc == pytest.approx(statistic / (len(relevant) * len(others)))


@given(WORLDS)
def test_metrics_lie_within_0_and_1_and_in_their_order(drawing: tuple[int, int, int]) -> None:
    scores, targets, seen = drawn(*drawing)
    found = accuracy(
        rank_all(
            lambda users: scores[users],
            matrix(cells(targets), scores.shape),
            matrix(cells(seen), scores.shape),
        ),
        (5, 20),
    )
    for name, values in found.items():
        assert ((values >= 0) & (values <= 1 + 1e-12)).all(), name
    for name in ("recall", "hr", "mrr", "map"):
        assert (found[f"{name}@5"] <= found[f"{name}@20"] + 1e-12).all(), name
    assert (found["recall@20"] <= found["hr@20"]).all()
    assert (found["map@20"] <= found["recall@20"] + 1e-12).all()


@given(WORLDS)
def test_a_perfect_order_is_perfect(drawing: tuple[int, int, int]) -> None:
    _, targets, seen = drawn(*drawing)
    shape = (len(targets), ITEMS)
    target = matrix(cells(targets), shape)
    found = accuracy(
        rank_all(
            lambda users: target[users].toarray().astype(np.float32), target, matrix(cells(seen), shape)
        ),
        (30,),
    )
    for name in ("recall@30", "hr@30", "ndcg@30", "mrr@30", "map@30", "auc"):
        assert found[name] == pytest.approx(np.ones(len(targets))), name


def test_a_person_of_whom_every_candidate_is_held_out_has_no_auc() -> None:
    rankings = rank_all(
        lambda users: np.zeros((len(users), 2), np.float32),
        matrix([(0, 1)], (1, 2)),
        matrix([(0, 0)], (1, 2)),
    )
    assert np.isnan(accuracy(rankings, (1,))["auc"]).tolist() == [True]
