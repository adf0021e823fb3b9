"""With the encoders, the fusion and the ranking that ship, the demo's checks hold with room to spare."""

import pytest

from deploy.demo.tastes import TASTES
from tests.unit.demo.rehearsal import CATALOGUE, SETTINGS, rehearse, vectors
from workers.demo.metrics import arrivals, taste_precision
from workers.demo.people import crowd
from workers.demo.report import MIN_TIMES_RANDOM
from workers.demo.run import SEED

TURNS_IN_FIVE_SECONDS = 2.0


def test_every_item_has_a_vector() -> None:
    found = vectors()
    assert len(found) == len(CATALOGUE.items) + len(CATALOGUE.new_items)
    assert all(vector is not None for vector in found.values())


@pytest.mark.parametrize("ranker", ["base", "cascade"])
def test_every_taste_is_met_and_every_new_item_found(ranker: str) -> None:
    journal = rehearse(SEED, ranker)
    people = crowd(SEED)
    marks_seen = {name for name, action in SETTINGS.profile.actions.items() if action.marks_seen}
    for taste in TASTES:
        fans = {person.user_id for person in people if person.taste == taste}
        found = taste_precision(taste, fans, journal, marks_seen)
        assert found.lists > 50
        assert found.ratio >= 1.2 * MIN_TIMES_RANDOM, found
    new = journal.items[len(CATALOGUE.items) :]
    for arrival in arrivals(new, journal, {person.user_id: person.taste for person in people}):
        assert arrival.after_s is not None, arrival
        assert arrival.after_s <= TURNS_IN_FIVE_SECONDS, arrival
