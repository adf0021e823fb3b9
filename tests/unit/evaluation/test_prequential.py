"""The protocol: what is ranked when, by what was known then; and what is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.cascade.person import Interaction
from models.datasets import DatasetEvent, open_dataset
from models.ranking import ListQuery, make_list
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from streams.settings import Settings, load_settings
from tests.unit.evaluation.stand_in import StandInCascade, StandInLearner
from workers.evaluation.base_contender import BaseContender
from workers.evaluation.catalogue import build_catalogue
from workers.evaluation.contender import CascadeContender, Moment
from workers.evaluation.people import People
from workers.evaluation.prequential import PrequentialSettings, Replay
from workers.evaluation.sources import Source, dataset_source
from workers.model_settings import ranking_settings, transition_settings

SETTINGS: Settings = load_settings()


@pytest.fixture
def source(tiny_folder: Path) -> Source:
    return dataset_source(open_dataset(tiny_folder), SETTINGS, ("text",))


def replay(
    source: Source, cascade: StandInCascade, learner: StandInLearner | None, **protocol: Any
) -> dict[str, Any]:
    settings = PrequentialSettings(**{"warm_up": 6, **protocol})
    made = Replay(
        source.index,
        CascadeContender(cascade, learner),
        transition_settings(SETTINGS.profile),
        settings,
    )
    made.run(source.events)
    return made.values()


def test_every_event_is_learned_before_it_is_taken_in_and_positive_ones_are_ranked_before_both(
    source: Source,
) -> None:
    cascade = StandInCascade(source.index)
    learner = StandInLearner(cascade)
    values = replay(source, cascade, learner)
    assert learner.learned_before_observed
    assert (learner.steps, len(cascade.observed)) == (24, 24)
    positive = [number for number, event in enumerate(source.events) if event.action == "click"]
    # The n-th event is ranked when n events were taken in, no more.
    assert cascade.ranked_after == [number for number in positive if number >= 6]
    assert values["n"] == len(cascade.ranked_after)
    assert values["events"] == 18


def test_people_are_seen_as_before_the_event(source: Source) -> None:
    cascade = StandInCascade(source.index)
    replay(source, cascade, None)
    person, interaction = cascade.observed[6]
    assert (person.user_id, interaction.item_id) == ("u-0", source.events[6].item_id)
    assert person.item_ids == (source.events[0].item_id,)
    assert (person.events, person.positives) == (1, 1)
    assert person.now_ms == interaction.occurred_at_ms == source.events[6].occurred_at_ms


def test_weights_rank_once_they_are_published(source: Source) -> None:
    seen: list[float] = []

    class Watching(StandInCascade):
        def rank(self, person: Any, eligible: Any) -> Any:
            seen.append(self.weights)
            return super().rank(person, eligible)

    cascade = Watching(source.index)
    learner = StandInLearner(cascade, publish_events=10)
    made = Replay(
        source.index,
        CascadeContender(cascade, learner),
        transition_settings(SETTINGS.profile),
        PrequentialSettings(warm_up=0),
    )
    made.run(source.events)
    # 8 of every 10 events are positive, and move the weight by 0.1; it ranks from the next event on.
    assert seen[:8] == [1.0] * 8
    assert seen[8] == pytest.approx(1.8)
    # While the learner goes on from where it was.
    assert cascade.weights == pytest.approx(1.0 + 0.1 * len(seen))
    assert made.values()["refreshes"] == learner.refits == 2


def test_a_known_log_has_known_ranks(tiny_folder: Path) -> None:
    index = build_catalogue(open_dataset(tiny_folder), SETTINGS, ("text",)).index()
    times = iter(range(0, 10_000_000, 60_000))

    def click(user: str, item: str) -> DatasetEvent:
        at = next(times)
        return DatasetEvent(f"e-{at}", user, item, "click", at)

    events = [
        *(click(f"w-{number}", "pans-0") for number in range(3)),
        *(click(f"w-{number}", "books-1") for number in range(2)),
        # The two popular items are first and second for a stranger, then for one who has seen the first.
        click("anna", "books-1"),
        click("anna", "pans-0"),
    ]
    source = Source("log", index, events, 5, {})
    values = replay(source, StandInCascade(index), None, warm_up=5)
    assert values["n"] == 2
    # books-1 is second; then it is seen, and pans-0 is first.
    assert values["rank_histogram"]["1"] == 1
    assert values["rank_histogram"]["2"] == 1
    assert values["mrr@20"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["cold_users"]["n"] == values["cold_items"]["n"] == values["distinct_seconds"]["n"] == 2


def test_the_second_of_two_events_of_one_second_is_not_distinct(source: Source) -> None:
    events = [replace(event, occurred_at_ms=0, event_id=f"x{n}") for n, event in enumerate(source.events)]
    values = replay(replace(source, events=events), StandInCascade(source.index), None, warm_up=0)
    # Of each of six people the first event alone, less the one that is a skip.
    assert values["distinct_seconds"]["n"] == 5


def test_what_cannot_be_ranked_is_counted_and_not_passed_over(source: Source) -> None:
    first = source.events[0]
    extra = [
        replace(first, event_id="again", occurred_at_ms=1),
        replace(first, event_id="unknown", item_id="no such item"),
        first,
    ]
    events = [first, *extra]
    made = Replay(
        source.index,
        CascadeContender(StandInCascade(source.index), None),
        transition_settings(SETTINGS.profile),
        PrequentialSettings(warm_up=0),
    )
    made.run(events)
    values = made.values()
    assert (values["n"], values["skipped"], values["duplicates"]) == (1, 2, 1)


def test_slots_bring_new_items_into_the_list_and_are_measured_with_the_same_keys(tiny_folder: Path) -> None:
    index = build_catalogue(open_dataset(tiny_folder), SETTINGS, ("text",)).index()
    known = [f"{taste}-{number}" for taste in ("shoes", "pans") for number in range(4)] + ["books-0"]
    warm = [
        DatasetEvent(f"{item}-{person}", f"w-{person}", item, "click", 1_000 * person)
        for item in known
        for person in range(5)
    ]
    chosen = DatasetEvent("last", "anna", "books-3", "click", 10_000_000)
    source = Source("log", index, [*warm, chosen], len(warm), {})
    values = replay(
        source,
        StandInCascade(index),
        None,
        warm_up=len(warm),
        count=4,
        passes={"with_slots": RerankSettings(new_item_slots=20)},
    )
    assert values["n"] == values["cold_items"]["n"] == 1
    # Nine items are popular: a list of four has room for the new ones in the second pass alone.
    assert values["rank_histogram"]["6-10"] + values["rank_histogram"]["11-20"] == 1
    assert values["with_slots"]["cold_items"]["hr@20"] == 1.0
    assert {name for name in values if name in values["with_slots"]} >= {
        *("n", "hr@20", "ndcg@20", "cold_users", "cold_items", "distinct_seconds", "coverage@4"),
    }
    assert values["with_slots"]["settings"] == {"new_item_slots": 20}
    assert values["new_items"]["n"] == 1
    assert values["new_items"]["mean_candidates"] == 3


def test_ablation_says_what_is_lost_without_each_part(source: Source) -> None:
    values = replay(source, StandInCascade(source.index), None)
    assert set(values["ablation"]["parts"]) == {"popularity", "covisitation"}
    assert set(values["ablation"]["sources"]) == {"popular", "covisited"}
    assert "not relearned" in values["ablation"]["note"]
    # What "popular" proposes, "covisited" may have proposed as well; alone it proposed what has no co-visit.
    assert values["ablation"]["sources"]["covisited"]["hr@20"] == values["hr@20"] == 1.0
    assert values["ablation"]["sources"]["popular"]["hr@20"] < 1.0


def test_a_limit_ends_the_replay(source: Source) -> None:
    values = replay(source, StandInCascade(source.index), None, warm_up=10, limit=5)
    assert values["events"] == 5


def test_a_log_that_ends_within_the_warm_up_has_no_metrics(source: Source) -> None:
    values = replay(source, StandInCascade(source.index), None, warm_up=100)
    assert (values["n"], values["hr@20"], values["over_time"]) == (0, None, [])
    assert values["intervals"] == {"hr@20": None, "ndcg@20": None}
    assert values["events_per_s"] is None


def test_the_same_replay_again_gives_the_same_report(source: Source) -> None:
    def without_times(values: dict[str, Any]) -> dict[str, Any]:
        return {name: one for name, one in values.items() if not name.endswith(("_s", "_ms"))}

    one, again = (
        replay(source, cascade, StandInLearner(cascade), passes={"with_diversity": RerankSettings(0.5)})
        for cascade in (StandInCascade(source.index), StandInCascade(source.index))
    )
    assert without_times(one) == without_times(again)


# The base ranker


def base(index: ItemIndex) -> BaseContender:
    return BaseContender(index, ranking_settings(SETTINGS), SETTINGS.recommend)


def test_the_base_contender_ranks_as_lists_are_made(source: Source) -> None:
    contender, people = base(source.index), People(transition_settings(SETTINGS.profile))
    for event in source.events:
        applied = people.apply(event)
        contender.observe(applied.before, applied.interaction)
        after = applied.after
        eligible = source.index.available & ~after.profile.has_seen(source.index.hashes)
        ranking = contender.rank(after, eligible)
        # After the contender has brought popularity up to date.
        listed = make_list(
            source.index,
            after.profile,
            ListQuery(count=12),
            event.occurred_at_ms,
            ranking_settings(SETTINGS),
        )
        ranked = [source.index.item_id(row) for row in ranking.rows.tolist()]
        assert ranked == [item.item_id for item in listed.items]
        assert ranking.scores == pytest.approx([item.score for item in listed.items], rel=1e-12)
        assert ranking.parts.sum(axis=1) == pytest.approx(ranking.scores)


def test_popularity_decays_to_the_time_of_the_list(source: Source) -> None:
    contender, index = base(source.index), source.index
    row = index.item_rows["pans-0"]
    week_ms = 7 * 86_400_000
    moment = Moment.of(People(transition_settings(SETTINGS.profile)).apply(source.events[0]).after.profile, 0)
    contender.observe(moment, Interaction("u", "pans-0", "click", 4.0, 0))
    contender.observe(moment, Interaction("u", "books-0", "click", 1.0, week_ms))
    at_end = replace(moment, person=replace(moment.person, now_ms=week_ms))
    contender.rank(at_end, index.available)
    # A half-life later 4 is 2: log 3 against log 2.
    shares = index.popularity()
    assert shares[row] == pytest.approx(1.0)
    assert shares[index.item_rows["books-0"]] == pytest.approx(np.log(2) / np.log(3), rel=1e-5)
