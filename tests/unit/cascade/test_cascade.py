"""The cascade as a whole: it ranks, explains, learns, and answers the same to the same."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.cascade.cascade import ITEM2VEC, RANKER, REGRESSIONS, SEQUENCE, Cascade
from models.cascade.learner import Learner
from models.cascade.person import Person
from models.cascade.settings import CascadeSettings, LearnSettings
from models.errors import ModelError, SettingError
from models.interactions import InteractionSettings
from models.ranking.online import OnlineSettings
from models.ranking.ranker import RankerWeights
from models.retrieval import ItemIndex
from models.sequence.settings import SequenceSettings
from models.signals import catalogue
from tests.unit.cascade.people import START_MS, event, index_of, person, stream

ITEMS = 40
LEARN = LearnSettings(
    online=OnlineSettings(prior_curvature=10.0, batch_events=8, warm_up_events=1_000),
    publish_events=20,
    refit_events=150,
    first_refit_events=100,
    sequence=SequenceSettings(dimension=8, heads=2),
    first_epochs=1,
    epochs=1,
)


def cascade(**changes: object) -> Cascade:
    settings = replace(CascadeSettings(candidates=20), **changes)  # type: ignore[arg-type]
    return Cascade(index_of(ITEMS), settings)


def played(events: int = 260, seed: int = 1) -> tuple[Cascade, Learner, list[float]]:
    """A cascade and its learner after a stream of events, and the losses."""
    made = cascade()
    learner = Learner(made, LEARN)
    losses = []
    for before, happened in stream(seed, people=12, items=ITEMS, events=events):
        eligible = np.ones(made.index.rows, np.bool_)
        step = learner.learn(before, happened, eligible)
        if step.loss is not None:
            losses.append(step.loss)
        made.observe(before, happened)
        if learner.refit_due():
            learner.refit()
    return made, learner, losses


SOMEBODY = person("u0", [("i1", 2.0, 0.0), ("i2", 1.0, 50.0), ("i3", -1.0, 50.0)], 60.0)


def everything(made: Cascade) -> np.ndarray:
    return np.ones(made.index.rows, np.bool_)


def test_another_index_takes_the_place_of_the_one_in_use() -> None:
    used, learner, _ = played()
    learner.refit()
    fresh, other = played()[0], ItemIndex(24)
    fresh.take(used.sequence, used.item2vec, used.regressions)
    fresh.weights = used.weights
    random = np.random.default_rng(5)
    used.rank(SOMEBODY, everything(used))
    # It fills up, in another order, while the one in use serves; items come and go in both.
    for row in random.permutation(ITEMS):
        vector = random.normal(size=24)
        other.upsert(f"i{row}", vector / np.linalg.norm(vector), created_at_ms=START_MS)
        used.get_ready_for(other)
        assert used.index is not other
    other.remove("i7")
    before = used.rank(SOMEBODY, everything(used))
    used.use_index(other)
    ranking = used.rank(SOMEBODY, everything(used))
    fresh.use_index(other)
    expected = fresh.rank(SOMEBODY, everything(fresh))
    np.testing.assert_array_equal(ranking.rows, expected.rows)
    np.testing.assert_array_equal(ranking.scores, expected.scores)
    assert not np.array_equal(ranking.scores, before.scores)
    for models in (used.sequence, used.item2vec, *used.regressions.values()):
        assert models is not None
        assert len(models.items._links) <= 2, "the index that was used before can go"


def test_a_stranger_to_a_new_deployment_gets_a_list() -> None:
    made = cascade()
    ranking = made.rank(person("new", now_s=10.0), everything(made))
    assert len(ranking) == 20
    assert np.isfinite(ranking.scores).all()


def test_content_leads_before_anything_was_learned() -> None:
    made = cascade(candidates=ITEMS)
    vectors = made.index.vectors
    made.index.upsert("twin", vectors[made.index.item_rows["i1"]].copy(), created_at_ms=START_MS)
    made.memory.items.use("i1")
    eligible = everything(made)
    eligible[made.index.item_rows["i1"]] = False
    ranking = made.rank(person("u", [("i1", 2.0, 0.0)], 10.0), eligible)
    assert made.index.item_id(int(ranking.rows[0])) == "twin"


def test_a_share_of_the_events_teaches_and_counts_so_much_more() -> None:
    def learned(share: float) -> list[tuple[float | None, float]]:
        made = cascade(candidates=ITEMS)
        learner = Learner(made, replace(LEARN, share=share, online=OnlineSettings(batch_events=1_000)))
        found = []
        for before, happened in stream(1, people=12, items=ITEMS, events=200):
            pending = learner._online._pending.copy()
            step = learner.learn(before, happened, everything(made))
            found.append((step.loss, float(np.abs(learner._online._pending - pending).sum())))
            made.observe(before, happened)
        return found

    every, some = learned(1.0), learned(0.25)
    taught = [number for number, (loss, _) in enumerate(some) if loss is not None]
    assert 25 < len(taught) < 75
    assert some == learned(0.25), "the same ones again"
    for number in taught:
        assert some[number][0] == every[number][0]
        assert some[number][1] == pytest.approx(4.0 * every[number][1], rel=1e-3)
    with pytest.raises(SettingError, match="share must be above 0"):
        LearnSettings(share=0.0)


def test_what_may_no_longer_be_listed_is_not_even_where_nothing_else_has_changed() -> None:
    made, _, _ = played()
    eligible = everything(made)
    before = made.rank(SOMEBODY, eligible)
    gone = before.rows[:5]
    # In the caller's own array, for the same person at the same moment.
    eligible[gone] = False
    after = made.rank(SOMEBODY, eligible)
    assert len(after) == len(before)
    assert not np.isin(gone, after.rows).any()


def test_another_context_is_another_moment() -> None:
    made = cascade(candidates=ITEMS)
    for number in range(30):
        happened = event(f"v{number}", f"i{number % 3}", float(number))
        made.observe(person(f"v{number}"), replace(happened, context={"device": "phone"}))
    column = catalogue.POSITION["context_named"]
    eligible = everything(made)
    without = made.candidates(SOMEBODY, eligible).standardised[:, column].copy()
    on_phone = made.candidates(replace(SOMEBODY, context={"device": "phone"}), eligible)
    assert not without.any()
    assert on_phone.standardised[:, column].any()


def test_only_what_is_eligible_is_ranked_and_best_first() -> None:
    made, _, _ = played()
    eligible = everything(made)
    eligible[::2] = False
    ranking = made.rank(SOMEBODY, eligible)
    assert eligible[ranking.rows].all()
    assert len(set(ranking.rows.tolist())) == len(ranking)
    assert (np.diff(ranking.scores) <= 0).all()


def test_parts_and_reasons_sum_to_the_score() -> None:
    made, _, _ = played()
    ranking = made.rank(SOMEBODY, everything(made))
    np.testing.assert_allclose(ranking.parts.sum(axis=1), ranking.scores, atol=1e-9)
    positions = range(len(ranking))
    for position, reasons in zip(positions, made.explain(SOMEBODY, ranking, positions), strict=True):
        score = ranking.scores[position]
        total = math.fsum(reason.contribution for reason in reasons)
        assert total == pytest.approx(score, abs=1e-6 * max(1.0, abs(score)))
    why = [reason for reasons in made.explain(SOMEBODY, ranking, [0, 1, 2]) for reason in reasons]
    assert {"covisitation", "content", "sequence", "similar_item"} <= {reason.kind for reason in why}
    assert {reason.modality for reason in why if reason.kind == "content"} <= {"text", "image", "audio"}
    assert all(reason.modality is None for reason in why if reason.kind != "content")
    named = {reason.item_id for reason in why if reason.kind in ("covisitation", "similar_item")}
    assert named <= {*SOMEBODY.item_ids, None}


def test_no_past_item_stands_behind_the_company_of_what_nobody_has_used() -> None:
    made, _, _ = played()
    made.index.upsert("fresh", made.index.vectors[3], created_at_ms=START_MS, attributes={})
    # The item that was used last of all does stand in company of one of theirs.
    made.index.upsert("last", made.index.vectors[4], created_at_ms=START_MS, attributes={})
    made.observe(person("u99", [("i1", 2.0, 0.0)], 30.0), event("u99", "last", 30.0, 2.0))
    fresh = made.index.item_rows["fresh"]
    ranking = made.rank_rows(SOMEBODY, np.arange(made.index.rows))
    named = {
        int(row): [one.item_id for one in reasons if one.kind == "covisitation" and one.item_id]
        for row, reasons in zip(
            ranking.rows, made.explain(SOMEBODY, ranking, range(len(ranking))), strict=True
        )
    }
    assert named.pop(fresh) == []
    assert any(named.values())


def test_rows_that_were_asked_for_have_the_scores_of_the_same_candidates() -> None:
    made, _, _ = played()
    ranking = made.rank(SOMEBODY, everything(made))
    again = made.rank_rows(SOMEBODY, np.sort(ranking.rows))
    assert again.rows.tolist() == ranking.rows.tolist()
    np.testing.assert_allclose(again.scores, ranking.scores, rtol=1e-4, atol=1e-4)


def test_people_are_shown_more_of_what_people_like_them_use() -> None:
    made, _, _ = played(events=400)
    eligible = everything(made)
    for item_id in SOMEBODY.item_ids:
        eligible[made.index.item_rows[item_id]] = False
    best = made.rank(SOMEBODY, eligible).rows[:10]
    own_half = [int(made.index.item_id(row)[1:]) < ITEMS // 2 for row in best.tolist()]
    assert sum(own_half) >= 8


def test_losses_fall() -> None:
    _, _, losses = played(events=500)
    assert np.mean(losses[-100:]) < np.mean(losses[:100])


def test_a_twin_that_is_told_the_same_answers_the_same() -> None:
    one, other = played()[0], played()[0]
    lists = [made.rank(SOMEBODY, everything(made)) for made in (one, other)]
    np.testing.assert_array_equal(lists[0].rows, lists[1].rows)
    np.testing.assert_array_equal(lists[0].scores, lists[1].scores)


def test_asking_changes_nothing() -> None:
    made, _, _ = played()
    first = made.rank(SOMEBODY, everything(made))
    made.rank(person("u1", [("i30", 1.0, 0.0)], 5.0), everything(made))
    again = made.rank(SOMEBODY, everything(made))
    np.testing.assert_array_equal(first.scores, again.scores)


def test_learned_models_carry_over() -> None:
    made, learner, _ = played()
    published = learner.updates(force=True)
    assert {RANKER, SEQUENCE, ITEM2VEC, *REGRESSIONS} <= set(made.parameters())
    other = cascade()
    other.sequence_settings = LEARN.sequence
    for before, happened in stream(1, people=12, items=ITEMS, events=260):
        other.observe(before, happened)
    for model, payload in {**made.parameters(), **published}.items():
        other.load(model, payload)
    ranking = made.rank(SOMEBODY, everything(made))
    np.testing.assert_allclose(
        np.sort(other.rank_rows(SOMEBODY, ranking.rows).scores), np.sort(ranking.scores), atol=0.02
    )


def test_what_is_no_model_is_refused() -> None:
    made = cascade()
    for model in (RANKER, SEQUENCE, ITEM2VEC, *REGRESSIONS, "another"):
        with pytest.raises(ModelError):
            made.load(model, b"?")


def test_backfill_from_histories_knows_what_events_taught() -> None:
    observed, filled = cascade(), cascade()
    people = {}
    for before, happened in stream(5, people=6, items=ITEMS, events=120):
        observed.observe(before, happened)
        entries = [
            (item_id, weight, (time_ms - START_MS) / 1_000.0)
            for item_id, weight, time_ms in zip(
                before.item_ids, before.weights.tolist(), before.times_ms.tolist(), strict=True
            )
        ]
        entries.append((happened.item_id, happened.weight, (happened.occurred_at_ms - START_MS) / 1_000.0))
        people[before.user_id] = person(before.user_id, entries, entries[-1][2])
    filled.backfill(people.values())
    expected = observed.rank(SOMEBODY, everything(observed))
    found = filled.rank_rows(SOMEBODY, expected.rows)
    # Events of one second may come in another order.
    np.testing.assert_allclose(np.sort(found.scores), np.sort(expected.scores), atol=0.1)


def test_nothing_is_learned_from_what_could_not_be_listed() -> None:
    made, learner, _ = played(events=20)
    before, happened = next(stream(9, people=1, items=ITEMS, events=1))
    assert learner.learn(before, happened, np.zeros(made.index.rows, np.bool_)).loss is None


def test_the_ranker_is_published_every_so_many_events_and_when_forced() -> None:
    _, learner, _ = played(events=90)
    assert set(learner.updates()) == {RANKER}
    assert learner.updates() == {}
    assert learner.updates(force=True) == {}


def test_a_successor_of_the_learner_goes_on() -> None:
    _, learner, _ = played()
    successor = Learner(cascade(), LEARN)
    successor.restore(learner.state())
    assert successor.steps == learner.steps
    assert len(learner.state()) < 1 << 20
    with pytest.raises(ModelError):
        successor.restore(b"?")


def test_a_learner_whose_state_is_of_other_signals_begins_anew_from_the_ranker_in_use() -> None:
    made, learner, _ = played(events=90)
    weights = made.weights
    other = cascade()
    other.weights = RankerWeights(weights.gates, tuple(reversed(weights.signals)), weights.values)
    with pytest.raises(ModelError, match="other gates or signals"):
        Learner(other, LEARN).restore(learner.state())
    successor = Learner(other, LEARN)
    other.weights = weights
    successor.begin_from_held()
    assert successor.steps == 0
    person, interaction = next(iter(stream(9, people=1, items=ITEMS, events=1)))
    successor.learn(person, interaction, everything(other))
    np.testing.assert_allclose(other.weights.values, weights.values, atol=1e-6)


def test_new_items_have_few_positives() -> None:
    made, _, _ = played()
    used = made.index.rows_of(["i1"])
    made.index.upsert("new", None, created_at_ms=START_MS)
    assert made.positives(used)[0] > 0
    assert made.positives(made.index.rows_of(["new"])).tolist() == [0]


def test_it_works_with_memory_for_few_items() -> None:
    made = cascade(interactions=InteractionSettings(max_items=9, log_events=60, item_events=4))
    for before, happened in stream(2, people=4, items=ITEMS, events=150):
        made.observe(before, happened)
    assert len(made.rank(SOMEBODY, everything(made))) == 20


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(SettingError):
        CascadeSettings(budgets={"nowhere": 3})


def asking(made: Cascade, item_id: str) -> Person:
    vector = made.index.vectors[made.index.item_rows[item_id]]
    return replace(SOMEBODY, asked=(vector / np.linalg.norm(vector)).astype(np.float32))


def test_what_is_asked_for_in_words_comes_first_and_is_a_part_of_the_score() -> None:
    made, _, _ = played()
    somebody = asking(made, "i30")
    ranking = made.rank(somebody, everything(made))
    assert made.index.item_id(int(ranking.rows[0])) == "i30"
    assert ranking.sources[0] >> ranking.source_names.index("query") & 1
    assert ranking.part_names[-1] == "query"
    assert np.abs(ranking.parts.sum(axis=1) - ranking.scores).max() < 1e-9
    for why, score in zip(made.explain(somebody, ranking, range(5)), ranking.scores[:5], strict=True):
        assert math.fsum(one.contribution for one in why) == pytest.approx(score, abs=1e-9)
        assert "query" in {one.kind for one in why}
    # The ranker's own scores are as they were, times what is left to them.
    plain = made.rank(SOMEBODY, everything(made))
    assert "query" not in plain.part_names
    rows = made.rank_rows(SOMEBODY, ranking.rows)
    own = dict(zip(rows.rows.tolist(), rows.scores.tolist(), strict=True))
    left = ranking.scores - ranking.parts[:, -1]
    assert left == pytest.approx([0.2 * own[row] for row in ranking.rows.tolist()], abs=1e-6)


def test_a_stranger_who_asks_in_words_gets_a_list_by_the_words_alone() -> None:
    made, _, _ = played()
    vector = made.index.vectors[made.index.item_rows["i7"]]
    stranger = replace(
        person("nobody", now_s=60.0), asked=(vector / np.linalg.norm(vector)).astype(np.float32)
    )
    ranking = made.rank(stranger, everything(made))
    assert made.index.item_id(int(ranking.rows[0])) == "i7"
    assert not ranking.parts[:, :-1].any()
    similar = made.index.vectors[ranking.rows] @ stranger.asked
    assert (np.diff(similar) <= 1e-6).all()
