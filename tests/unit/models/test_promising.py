"""Lists from a catalogue that is too large to score whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.profile import Profile, new_profile
from models.ranking import ListQuery, ListResult, RankingSettings, make_list, promising
from models.ranking.promising import promising_rows
from models.retrieval import ItemIndex, neighbourhoods
from tests.unit.models.profile_events import NOW_MS, event, profile_of

ITEMS, GROUPS, DIMENSION = 4_000, 40, 16
DAY_MS = 86_400_000
SETTINGS = RankingSettings(freshness_weight=0.2)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> ItemIndex:
    """Items in groups, of all ages and popularities; taken for a large catalogue."""
    monkeypatch.setattr(neighbourhoods, "SCANNED_ROWS", 1_000)
    monkeypatch.setattr(promising, "_LEAST_NEAR", 300)
    monkeypatch.setattr(neighbourhoods, "CELLS", 64)
    random = np.random.default_rng(4)
    centres = random.standard_normal((GROUPS, DIMENSION))
    made = ItemIndex(DIMENSION)
    for number in range(ITEMS):
        vector = centres[number % GROUPS] + 0.2 * random.standard_normal(DIMENSION)
        made.upsert(
            f"i{number}",
            (vector / np.linalg.norm(vector)).astype(np.float32),
            created_at_ms=NOW_MS - int(random.integers(0, 60 * DAY_MS)),
            popularity=float(random.zipf(1.6)) if number % 3 else 0.0,
            available=number % 11 != 0,
        )
    made.warm_up(())
    return made


def person(group: int) -> Profile:
    return profile_of(*(event(n, f"i{group + GROUPS * n}", "click", hours_ago=n) for n in range(1, 12)))


def scanned(monkeypatch: pytest.MonkeyPatch, *given: object) -> ListResult:
    with monkeypatch.context() as patched:
        patched.setattr(neighbourhoods, "SCANNED_ROWS", ITEMS + 1)
        return make_list(*given)  # type: ignore[arg-type]


def test_it_is_the_list_of_all_items_where_vectors_lie_in_groups(
    index: ItemIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert neighbourhoods.is_large(index.rows)
    for group in range(GROUPS):
        given = (index, person(group), ListQuery(count=20), NOW_MS, SETTINGS)
        assert make_list(*given) == scanned(monkeypatch, *given)


def test_few_rows_are_looked_at_and_no_other_is_needed(index: ItemIndex) -> None:
    eligible = index.available.copy()
    rows = promising_rows(index, index.vectors[7], eligible, 20)
    assert len(rows) < ITEMS / 3
    assert eligible[rows].all()
    assert (np.diff(rows) > 0).all()
    assert int(np.argmax(np.where(eligible, index.popularity(), -1.0))) in rows
    assert int(index.newest(eligible, 1)[0]) in rows
    assert int(np.argmax(np.where(eligible, index.vectors @ index.vectors[7], -2.0))) in rows


def test_where_the_promising_ones_do_not_fill_the_list_all_are_looked_at(
    index: ItemIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ranking.list_request.promising_rows", lambda *_: np.arange(5))
    given = (index, person(3), ListQuery(count=20), NOW_MS, SETTINGS)
    found = make_list(*given)
    assert found.complete
    assert found == scanned(monkeypatch, *given)


def test_dislikers_of_content_and_strangers_are_given_all(
    index: ItemIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ranking.list_request.promising_rows", lambda *_: pytest.fail("not asked for"))
    unlike = replace(SETTINGS, content_weight=-1.0)
    assert make_list(index, person(3), ListQuery(), NOW_MS, unlike).complete
    assert make_list(index, new_profile("stranger"), ListQuery(), NOW_MS, SETTINGS).complete
