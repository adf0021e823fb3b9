"""Lists: the same items as a plain loop over all of them gives, with reasons that sum to the score."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.errors import DimensionError, ListQueryError, SettingError
from models.profile import Profile, hash64, new_profile, taste, taste_from_seeds
from models.ranking import ListQuery, ListResult, RankingSettings, make_list, make_lists
from models.retrieval import FilterRange, ItemIndex
from streams.messages import Reason as ContractReason
from streams.messages import RecommendedItem
from streams.settings import RecommendSettings
from tests.unit.models.profile_events import NOW_MS, event, profile_of

DAY_MS = 86_400_000
SETTINGS = RankingSettings()


def catalogue(count: int, dimension: int = 8, seed: int = 0, *, ties: bool = False) -> ItemIndex:
    """Items i000, i001 …, some without a vector, some not available; with ``ties`` many are alike."""
    random = np.random.default_rng(seed)
    index = ItemIndex(dimension)
    directions = random.standard_normal((3 if ties else max(count, 1), dimension)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for number in range(count):
        index.upsert(
            f"i{number:03}",
            None if number % 7 == 6 else directions[number % len(directions)],
            created_at_ms=NOW_MS - (0 if ties else int(random.integers(-2, 30))) * DAY_MS,
            attributes={"shelf": number % 3, "price": float(number)},
            available=number % 5 != 4,
            popularity=0.0 if ties else float(random.integers(0, 50)),
        )
    return index


def brute_force(
    index: ItemIndex, profile: Profile | None, query: ListQuery, settings: RankingSettings
) -> dict[str, float]:
    """The score of every item that may be listed, by the documented rules, one by one."""
    rows = dict(index.item_rows)
    own = taste_from_seeds(query.seed_items, rows, index.vectors) if query.seed_items else None
    if own is None and profile is not None:
        own = taste(profile, rows, index.vectors, NOW_MS, settings.taste)
    towards = None if own is None else own.vector
    if query.asked is not None:
        share = 1.0 if towards is None else settings.asked_share
        towards = (0.0 if towards is None else (1 - share) * towards) + share * query.asked.astype(float)
    largest = max((index.popularity()[row] for row in rows.values()), default=0.0)
    assert largest in (0.0, pytest.approx(1.0))
    scores = {}
    for item_id, row in rows.items():
        if query.candidates is not None and item_id not in query.candidates:
            continue
        seen = profile is not None and profile.has_seen(np.frombuffer(hash64(item_id), "<u8"))[0]
        if seen and query.candidates is None:
            continue
        if not index.available[row] or item_id in query.exclude or item_id in query.seed_items:
            continue
        if "shelf" in query.filter and int(item_id[1:]) % 3 != query.filter["shelf"]:
            continue
        content = 0.0 if towards is None else float(index.vectors[row].astype(float) @ towards)
        age_days = max(0, NOW_MS - int(index.created_at_ms[row])) / DAY_MS
        scores[item_id] = (
            settings.content_weight * content
            + settings.bias
            + settings.popularity_weight * float(index.popularity()[row])
            + settings.freshness_weight * 2.0 ** (-age_days / settings.freshness_half_life_days)
        )
    return scores


def check_reasons(result: ListResult) -> None:
    for item in result.items:
        total = math.fsum(reason.contribution for reason in item.reasons)
        assert abs(total - item.score) <= 1e-9 * max(1.0, abs(item.score))
        assert item.reasons
        # The contract's own check.
        RecommendedItem(
            item_id=item.item_id,
            score=item.score,
            reasons=[ContractReason(kind=one.kind, contribution=one.contribution) for one in item.reasons],
        )


@st.composite
def profiles(draw: st.DrawFn) -> Profile | None:
    if draw(st.booleans()):
        numbers = draw(st.lists(st.integers(0, 130), max_size=25))
        actions = st.sampled_from(["view", "click", "like", "dislike", "purchase"])
        return profile_of(
            *(event(n, f"i{number:03}", draw(actions), hours_ago=n) for n, number in enumerate(numbers))
        )
    return draw(st.sampled_from([None, new_profile("stranger")]))


ids = st.integers(0, 130).map(lambda number: f"i{number:03}")
queries = st.builds(
    ListQuery,
    count=st.integers(1, 40),
    candidates=st.none() | st.lists(ids, max_size=60),
    exclude=st.lists(ids, max_size=20),
    filter=st.sampled_from([{}, {"shelf": 1}]),
    seed_items=st.lists(ids, max_size=3),
    asked=st.sampled_from([None, *np.eye(8, dtype=np.float32)]),
)
settings_of_all_kinds = st.builds(
    RankingSettings,
    content_weight=st.sampled_from([0.0, 1.0, 3.0]),
    popularity_weight=st.floats(0, 1),
    freshness_weight=st.floats(0, 1),
    bias=st.floats(-1, 1),
    reason_items=st.integers(0, 30),
    asked_share=st.floats(0, 1),
)


@given(st.integers(0, 120), profiles(), queries, settings_of_all_kinds, st.booleans())
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_list_is_what_a_loop_over_all_items_gives(count, profile, query, settings, ties) -> None:
    index = catalogue(count, ties=ties)
    result = make_list(index, profile, query, NOW_MS, settings)
    expected = brute_force(index, profile, query, settings)
    assert len(result.items) == min(query.count, len(expected))
    assert result.complete == (len(result.items) == query.count) == (result.shortfall is None)
    best = sorted(expected.values(), reverse=True)
    for item, score in zip(result.items, best, strict=False):
        assert item.score == pytest.approx(expected[item.item_id], abs=1e-9)
        assert item.score == pytest.approx(score, abs=1e-9)
    assert len({item.item_id for item in result.items}) == len(result.items)
    check_reasons(result)
    assert make_list(index, profile, query, NOW_MS, settings) == result


@given(st.lists(st.tuples(profiles(), queries), min_size=1, max_size=20))
@hypothesis_settings(max_examples=30, deadline=None)
def test_lists_made_together_are_those_made_alone(requests) -> None:
    index = catalogue(100)
    together = make_lists(index, requests, NOW_MS, SETTINGS)
    assert together == [make_list(index, profile, query, NOW_MS, SETTINGS) for profile, query in requests]


def test_a_large_catalogue_of_equals_is_listed_the_same_way_every_time() -> None:
    orders = []
    for step in (1, -1):
        index = ItemIndex(4)
        for number in range(3_000)[::step]:
            index.upsert(f"i{number}", None, created_at_ms=NOW_MS)
        result = make_list(index, None, ListQuery(count=30), NOW_MS, SETTINGS)
        orders.append([item.item_id for item in result.items])
    assert orders[0] == orders[1]
    smallest = sorted((int.from_bytes(hash64(f"i{n}"), "little"), f"i{n}") for n in range(3_000))[:30]
    assert orders[0] == [item_id for _, item_id in smallest]


def test_a_large_catalogue_against_sorting_it() -> None:
    index = catalogue(5_000, seed=3)
    profile = profile_of(*(event(n, f"i{n * 37:03}", hours_ago=n) for n in range(50)))
    for query in (ListQuery(count=500), ListQuery(count=7), ListQuery(filter={"shelf": 1}, count=60)):
        result = make_list(index, profile, query, NOW_MS, SETTINGS)
        expected = brute_force(index, profile, query, SETTINGS)
        best = sorted(expected, key=lambda item_id: -expected[item_id])[: query.count]
        assert [item.item_id for item in result.items] == best
        check_reasons(result)


def test_strangers_get_what_is_popular_and_new() -> None:
    index = ItemIndex(4)
    index.upsert("old hit", None, created_at_ms=NOW_MS - 400 * DAY_MS, popularity=1_000.0)
    index.upsert("new", None, created_at_ms=NOW_MS, popularity=0.0)
    index.upsert("old", None, created_at_ms=NOW_MS - 400 * DAY_MS, popularity=0.0)
    index.upsert("new hit", None, created_at_ms=NOW_MS, popularity=1_000.0)
    result = make_list(index, None, ListQuery(count=4), NOW_MS, SETTINGS)
    assert [item.item_id for item in result.items] == ["new hit", "old hit", "new", "old"]
    assert [reason.kind for reason in result.items[0].reasons] == ["popularity", "freshness"]
    assert result.items[0].score == pytest.approx(0.15 + 0.05)


def test_reasons_name_the_past_items_that_count_most() -> None:
    index = ItemIndex(3)
    axes = np.eye(3, dtype=np.float32)
    for number, name in enumerate(["jazz", "rock", "folk"]):
        index.upsert(name, axes[number], created_at_ms=NOW_MS)
    mixed = np.array([0.8, 0.5, 0.33166248], np.float32)
    index.upsert("mixed", mixed, created_at_ms=NOW_MS)
    profile = profile_of(event(1, "jazz", "like"), event(2, "rock", "dislike"), event(3, "folk", "click"))
    settings = RankingSettings(popularity_weight=0.0, bias=0.125, reason_items=2)
    (item,) = make_list(index, profile, ListQuery(count=1), NOW_MS, settings).items
    found = [(reason.kind, reason.item_id, reason.action) for reason in item.reasons]
    assert found == [
        ("similar_item", "jazz", "like"),
        ("similar_item", "rock", "dislike"),
        ("bias", None, None),
        ("taste", None, None),
        ("freshness", None, None),
    ]
    assert [reason.contribution for reason in item.reasons] == pytest.approx(
        [2 / 3 * 0.8, -2 / 3 * 0.5, 0.125, 1 / 3 * 0.33166248, 0.05]
    )


def test_seeds_take_the_place_of_the_taste() -> None:
    index = catalogue(60)
    profile = profile_of(event(1, "i000"), event(2, "i001"))
    query = ListQuery(count=5, seed_items=["i010", "i011", "nobody"])
    result = make_list(index, profile, query, NOW_MS, replace(SETTINGS, reason_items=1))
    kinds = {reason.kind for item in result.items for reason in item.reasons}
    assert kinds == {"seed_item", "popularity", "freshness"}
    assert {"i010", "i011", "i000", "i001"}.isdisjoint(item.item_id for item in result.items)
    unknown = make_list(index, profile, replace(query, seed_items=["nobody"]), NOW_MS, SETTINGS)
    assert unknown == make_list(index, profile, ListQuery(count=5), NOW_MS, SETTINGS)


def test_candidates_are_ranked_although_seen() -> None:
    index = catalogue(60)
    profile = profile_of(*(event(number, f"i{number:03}") for number in range(10)))
    result = make_list(
        index, profile, ListQuery(count=3, candidates=["i001", "i002", "i020"]), NOW_MS, SETTINGS
    )
    assert result.complete
    assert {item.item_id for item in result.items} == {"i001", "i002", "i020"}
    everything = make_list(index, profile, ListQuery(count=60), NOW_MS, SETTINGS)
    assert {"i001", "i002"}.isdisjoint(item.item_id for item in everything.items)


def test_people_who_have_seen_more_than_is_kept_exactly_get_nothing_twice() -> None:
    index = ItemIndex(4)
    for number in range(4_000):
        index.upsert(
            f"item-{number:05}", np.eye(4, dtype=np.float32)[number % 4], created_at_ms=NOW_MS - number
        )
    profile = profile_of(*(event(number, hours_ago=-number) for number in range(3_000)))
    assert profile.seen_filter
    result = make_list(index, profile, ListQuery(count=500), NOW_MS, SETTINGS)
    assert result.complete
    assert all(int(item.item_id[5:]) >= 3_000 for item in result.items)
    short = make_list(index, profile, ListQuery(count=4_000), NOW_MS, SETTINGS)
    assert 985 <= len(short.items) <= 1_000
    assert short.shortfall is not None
    assert short.shortfall.endswith(f"already seen: {4_000 - len(short.items)}")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            ListQuery(),
            "20 asked for, 8 served: the catalogue holds 12 items; not available: 2; already seen: 2",
        ),
        (
            ListQuery(filter={"shelf": 1}),
            "20 asked for, 2 served: the catalogue holds 12 items; the filter leaves 4 items; "
            "not available: 1; already seen: 1",
        ),
        (
            ListQuery(candidates=["i000", "i001", "i004", "x", "y", "x"], exclude=["i000"]),
            "20 asked for, 1 served: 5 candidates named; unknown candidates: 2; "
            "not available: 1; excluded: 1",
        ),
        (ListQuery(candidates=[]), "20 asked for, 0 served: 0 candidates named"),
        (
            ListQuery(seed_items=["i002"], filter={"price": FilterRange(2, 3)}),
            "20 asked for, 1 served: the catalogue holds 12 items; the filter leaves 2 items; "
            "seeds themselves: 1",
        ),
    ],
)
def test_a_short_list_says_why(query: ListQuery, words: str) -> None:
    index = catalogue(12)
    profile = profile_of(event(1, "i000"), event(2, "i001"))
    result = make_list(index, profile, query, NOW_MS, SETTINGS)
    assert not result.complete
    assert result.shortfall == words


def test_an_empty_catalogue_says_so() -> None:
    result = make_list(ItemIndex(), None, ListQuery(), NOW_MS, SETTINGS)
    assert result == ListResult(
        (), complete=False, shortfall="20 asked for, 0 served: the catalogue is empty"
    )


def test_what_cannot_be_answered_is_refused() -> None:
    with pytest.raises(ListQueryError, match="0 items"):
        ListQuery(count=0)
    with pytest.raises(ListQueryError, match="filter `shelf`"):
        make_list(catalogue(3), None, ListQuery(filter={"shelf": None}), NOW_MS, SETTINGS)
    with pytest.raises(SettingError, match="finite"):
        RankingSettings(bias=math.inf)
    with pytest.raises(SettingError, match="half_life"):
        RankingSettings(freshness_half_life_days=0.0)


def test_a_taste_of_another_dimension_is_refused_with_its_shape() -> None:
    from models.ranking.scoring import Scorer

    own = taste_from_seeds(["a"], {"a": 0}, np.eye(3, dtype=np.float32))
    assert own is not None
    with pytest.raises(DimensionError, match=r"\[3\]; the index holds \[8\]"):
        Scorer(catalogue(5), NOW_MS, SETTINGS).content([own])


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = RecommendSettings()
    for name in (
        "content_weight",
        "popularity_weight",
        "freshness_weight",
        "bias",
        "freshness_half_life_days",
        "reason_items",
    ):
        assert getattr(SETTINGS, name) == getattr(settings, name)


def test_who_asks_in_words_gets_what_they_ask_for_and_the_reason_says_so() -> None:
    index = ItemIndex(3)
    for name, axis in zip(("jazz", "rock", "folk"), np.eye(3, dtype=np.float32), strict=True):
        index.upsert(name, axis, created_at_ms=NOW_MS)
    settings = RankingSettings(popularity_weight=0.0, freshness_weight=0.0, asked_share=0.7)
    asked = index.vectors[index.item_rows["folk"]].copy()
    index.upsert("more jazz", index.vectors[0].copy(), created_at_ms=NOW_MS)
    query = ListQuery(count=3, asked=asked)
    stranger = make_list(index, None, query, NOW_MS, settings)
    assert stranger.items[0].item_id == "folk"
    assert [(one.kind, one.contribution) for one in stranger.items[0].reasons] == [
        ("query", pytest.approx(1.0))
    ]
    fan = profile_of(event(1, "jazz", "like"))
    listed = make_list(index, fan, query, NOW_MS, settings)
    assert [item.item_id for item in listed.items] == ["folk", "more jazz", "rock"]
    reasons = {item.item_id: {one.kind: one.contribution for one in item.reasons} for item in listed.items}
    assert reasons["folk"]["query"] == pytest.approx(0.7)
    assert reasons["more jazz"]["similar_item"] == pytest.approx(0.3)
    check_reasons(listed)
