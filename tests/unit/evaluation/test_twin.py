"""One process as all roles, and what is the same list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.datasets import open_dataset
from models.ranking import ListOrder, ListResult
from models.ranking.reasons import ScoredItem
from models.retrieval.columns import Mask
from streams.messages import Cause, Reason, Recommendation, RecommendedItem
from streams.settings import Settings, load_settings
from tests.unit.evaluation.stand_in import StandInCascade, StandInLearner
from tests.unit.workers.fakes import NOW
from workers.evaluation.agreement import Agreement
from workers.evaluation.catalogue import build_catalogue
from workers.evaluation.comparison import first_difference
from workers.evaluation.contender import CascadeContender, Moment
from workers.evaluation.twin import Twin, TwinStep
from workers.list_makers import MadeList
from workers.model_settings import transition_settings

SETTINGS: Settings = load_settings()
LIST = [("a", 2.0), ("b", 1.0)]


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ([("b", 2.0), ("b", 1.0)], "place 1: b with 2.0 through Kafka, a with 2.0 in this process"),
        ([("a", 2.0), ("b", 1.00001)], "place 2: b with 1.00001 through Kafka, b with 1.0"),
        ([("a", 2.0)], "place 2: nothing through Kafka, b with 1.0"),
        ([*LIST, ("c", 0.5)], "place 3: c with 0.5 through Kafka, nothing in this process"),
    ],
)
def test_the_first_difference_is_told(theirs: list[tuple[str, float]], words: str) -> None:
    assert words in str(first_difference(theirs, LIST))


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(-1e6, 1e6))))
def test_a_list_agrees_with_itself_and_with_what_rounding_makes_of_it(made: list[tuple[str, float]]) -> None:
    assert first_difference(made, made) is None
    rounded = [(item_id, score * (1 + 5e-7)) for item_id, score in made]
    assert first_difference(rounded, made) is None


class StandInLists:
    """Lists of the stand-in cascade."""

    wants_shown = False
    lists_at_once = 2

    def __init__(self, cascade: StandInCascade) -> None:
        self._cascade = cascade

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        made = []
        for order in orders:
            assert order.profile is not None
            eligible: Mask = self._cascade.index.available & ~order.profile.has_seen(
                self._cascade.index.hashes
            )
            ranking = self._cascade.rank(Moment.of(order.profile, order.now_ms).person, eligible)
            items = tuple(
                ScoredItem(self._cascade.index.item_id(row), score, ())
                for row, score in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
            )
            made.append(MadeList(ListResult(items, complete=True), "stand-in"))
        return made


def test_a_step_makes_the_list_that_the_event_causes(tiny_folder: Path) -> None:
    dataset = open_dataset(tiny_folder)
    index = build_catalogue(dataset, SETTINGS, ("text",)).index()
    cascade = StandInCascade(index)
    learner = StandInLearner(StandInCascade(index), publish_events=8)
    twin = Twin(
        index,
        CascadeContender(learner.cascade, learner),
        CascadeContender(cascade, None),
        StandInLists(cascade),
        transition_settings(SETTINGS.profile),
        count=20,
    )
    steps = [twin.step(event) for event in dataset.events()]
    assert learner.learned_before_observed
    for number, (step, event) in enumerate(zip(steps, dataset.events(), strict=True), 1):
        # The event is in the profile and in what is known across people when its list is made.
        assert event.item_id not in {item.item_id for item in step.result.items}
        assert cascade.ranked_after.count(number) >= 1
        assert step.applied == number
        # Weights are published at every eighth event: its list may be made with the old or the new ones.
        is_published = number % 8 == 0
        assert step.learned == ({"ranker": number} if is_published else {})
        assert (step.renewed is not None) == is_published
    # At the 16th event the last item of the person has been visited with others: the weight shows.
    assert steps[15].renewed != steps[15].result


def listed(*items: tuple[str, float]) -> ListResult:
    return ListResult(tuple(ScoredItem(item_id, score, ()) for item_id, score in items), complete=True)


def recommendation(*items: tuple[str, float]) -> Recommendation:
    return Recommendation(
        recommendation_id="r",
        user_id="u",
        profile_version=1,
        cause=Cause(kind="event", id="e"),
        items=[
            RecommendedItem(item_id=item_id, score=score, reasons=[Reason(kind="bias", contribution=score)])
            for item_id, score in items
        ],
        model="stand-in",
        generated_at=NOW,
        complete=True,
    )


def test_lists_agree_with_the_old_weights_or_with_the_new_ones(tiny_folder: Path) -> None:
    event = next(open_dataset(tiny_folder).events())
    found = Agreement("stand-in", 12)
    assert not found.all_agree
    old, new = listed(("a", 1.0)), listed(("b", 1.0))
    found.add(event, recommendation(("a", 1.0)), TwinStep(old, None, {}, 1))
    found.add(event, recommendation(("b", 1.0)), TwinStep(old, new, {"ranker": 2}, 2))
    assert found.all_agree
    assert (found.lists, found.agreeing, found.with_new_weights) == (2, 2, 1)
    found.add(event, recommendation(("b", 1.0)), TwinStep(old, None, {}, 3))
    assert not found.all_agree
    assert found.values()["share"] == pytest.approx(2 / 3)
    assert found.differences == [
        "event e-0 of u-0: place 1: b with 1.0 through Kafka, a with 1.0 in this process"
    ]
