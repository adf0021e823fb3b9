"""A cascade under evaluation that starts anew: histories and what was published are all that it finds."""

from __future__ import annotations

import numpy as np
import pytest

from models.cascade.person import Interaction, Person
from models.retrieval import ItemIndex
from streams.errors import ConfigurationError
from streams.settings import load_settings
from tests.unit.cascade.people import index_of, stream
from workers.evaluation.contender import CascadeContender, Moment
from workers.evaluation.contenders import make_contender

ITEMS = 12


def played(index: ItemIndex, events: int) -> tuple[CascadeContender, list[Person]]:
    """A contender that learned from these events, and people as they are after them."""
    settings = load_settings(
        learn={"publish_events": 1, "warm_up_events": 0, "prior_curvature": 1.0, "batch_events": 1}
    )
    made = make_contender("cascade", index, settings)
    assert isinstance(made, CascadeContender)
    after: dict[str, Person] = {}
    for before, happened in stream(3, people=6, items=ITEMS, events=events):
        moment = Moment(None, before)  # type: ignore[arg-type]
        made.learn(moment, happened, np.ones(index.rows, np.bool_))
        made.observe(moment, happened)
        made.load(made.updates())
        after[before.user_id] = _with(before, happened)
    return made, list(after.values())


def _with(person: Person, happened: Interaction) -> Person:
    return Person(
        person.user_id,
        (*person.item_ids, happened.item_id),
        np.append(person.weights, np.float32(happened.weight)),
        np.append(person.times_ms, happened.occurred_at_ms),
        person.events + 1,
        person.positives + (happened.weight > 0),
        happened.occurred_at_ms,
    )


def test_it_ranks_and_goes_on_learning_as_before() -> None:
    index = index_of(ITEMS)
    made, people = played(index, 120)
    steps = made.steps
    moment = Moment(None, people[0])  # type: ignore[arg-type]
    eligible = np.ones(index.rows, np.bool_)
    before = made.rank(moment, eligible)
    made.restart(people)
    assert made.steps == steps
    after = made.rank(moment, eligible)
    assert after.rows.tolist() == before.rows.tolist()
    np.testing.assert_allclose(after.scores, before.scores, atol=0.05)


def test_without_what_was_published_it_has_forgotten() -> None:
    index = index_of(ITEMS)
    made, people = played(index, 60)
    fresh = make_contender("cascade", index, load_settings())
    assert isinstance(fresh, CascadeContender)
    fresh.restart(people)
    assert (made.steps, fresh.steps) == (60, 0)


def test_what_cannot_be_made_anew_is_refused() -> None:
    made, people = played(index_of(ITEMS), 5)
    alone = CascadeContender(made._cascade, made._learner)
    with pytest.raises(ConfigurationError):
        alone.restart(people)
