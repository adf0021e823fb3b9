"""What holds for every list, whatever the stages do; and each stage by example."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DimensionError, ListQueryError, SettingError
from models.reranking import RerankInput, RerankSettings, Rule, rerank
from models.reranking.new_items import slots_of
from models.retrieval.item_filter import ItemFilter
from tests.unit.models.reranking_inputs import (
    any_candidates,
    any_settings,
    candidates,
    positions,
    reranked,
)

OFF = RerankSettings()
RED, BLUE = ItemFilter({"colour": "red"}), ItemFilter({"colour": "blue"})
counts = st.integers(1, 25)


# Every list


@given(any_candidates(), counts, any_settings, st.integers(0, 3))
def test_a_list_holds_candidates_once_each_and_is_full(one, count, settings, seed) -> None:
    items = reranked(one, count, settings, seed)
    listed = [item.position for item in items]
    assert len(set(listed)) == len(listed) == min(count, len(one.item_ids))
    assert set(listed) <= set(range(len(one.item_ids)))
    assert items == reranked(one, count, settings, seed)
    for item in items:
        if settings.exploration == "none":
            assert item.propensity is None
        else:
            assert item.propensity is not None
            assert 0 < item.propensity <= 1


@given(any_candidates(), counts)
def test_with_everything_off_the_order_stays(one, count) -> None:
    items = reranked(one, count, OFF)
    assert [item.position for item in items] == list(range(min(count, len(one.item_ids))))
    assert all(item.moves == () and item.propensity is None for item in items)


def test_chance_is_not_drawn_from_where_exploration_is_off() -> None:
    random = np.random.default_rng(5)
    settings = RerankSettings(diversity=0.5, new_item_slots=3)
    rerank(candidates([3, 2, 1]), 2, settings, random)
    assert random.random() == np.random.default_rng(5).random()


def test_no_candidates_give_an_empty_list() -> None:
    assert reranked(candidates([]), 3, RerankSettings(diversity=1, exploration="softmax")) == []


def test_a_list_of_none_is_refused() -> None:
    with pytest.raises(ListQueryError, match="at least 1"):
        reranked(candidates([1.0]), 0, OFF)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(DimensionError, match="2 candidates"):
        replace(candidates([2, 1]), positives=np.zeros(3, np.int64))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"diversity": 1.5}, "diversity"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"temperature": 0.0}, "temperature"),
        ({"max_per_attribute": {"brand": 0}}, r"max_per_attribute\.brand"),
        ({"new_item_slots": 21}, "new_item_slots"),
    ],
)
def test_settings_out_of_bounds_are_refused(wrong, named) -> None:
    with pytest.raises(SettingError, match=named):
        RerankSettings(**wrong)


@pytest.mark.parametrize(("effect", "amount"), [("pin", 1.0), ("boost", 0.0), ("bury", -1.0)])
def test_an_amount_must_fit_the_effect(effect, amount) -> None:
    with pytest.raises(SettingError, match=effect):
        Rule(RED, effect, amount)


# Caps


@given(any_candidates(), counts, any_settings, st.integers(1, 4))
def test_a_cap_holds_whenever_enough_items_exist(one, count, settings, cap) -> None:
    """Enough of what no repeats leave: so without these here."""
    settings = replace(settings, max_per_attribute={"colour": cap}, no_repeat_hours=0)
    colours = [one.attributes(position).get("colour") for position in range(len(one.item_ids))]
    possible = colours.count(None) + sum(
        min(cap, held) for colour, held in Counter(colours).items() if colour is not None
    )
    listed = Counter(colours[position] for position in positions(one, count, settings))
    over = [colour for colour, held in listed.items() if colour is not None and held > cap]
    assert (not over) or possible < min(count, len(colours))


def test_a_list_as_value_counts_for_each_of_its_strings() -> None:
    tags = [["a", "b"], ["b"], ["a", "a"], ["c"], [], ["c", "d"]]
    one = candidates([6, 5, 4, 3, 2, 1], attributes=[{"tags": each} for each in tags])
    items = reranked(one, 3, RerankSettings(max_per_attribute={"tags": 1}))
    assert [item.position for item in items] == [0, 3, 4]
    assert [item.moves for item in items] == [(), ("cap",), ("cap",)]


def test_a_bool_is_no_number_for_a_cap_and_one_is_one() -> None:
    one = candidates([4, 3, 2, 1], attributes=[{"size": 1}, {"size": True}, {"size": 1.0}, {}])
    assert positions(one, 3, RerankSettings(max_per_attribute={"size": 1})) == [0, 1, 3]


def test_where_a_cap_cannot_hold_it_is_exceeded_least() -> None:
    attributes = [{"colour": "red"}] * 4 + [{"colour": "blue"}] * 2
    one = candidates([6, 5, 4, 3, 2, 1], attributes=attributes)
    assert positions(one, 4, RerankSettings(max_per_attribute={"colour": 1})) == [0, 4, 1, 5]


# No repeats


def test_what_was_just_shown_is_left_out() -> None:
    one = candidates([5, 4, 3, 2, 1], hours_ago={0: 1, 2: 30})
    assert positions(one, 3, RerankSettings(no_repeat_hours=24)) == [1, 2, 3]


def test_where_too_few_are_left_those_shown_longest_ago_come_back() -> None:
    one = candidates([5, 4, 3, 2, 1], hours_ago={0: 1, 1: 3, 2: 5, 3: 2})
    assert positions(one, 3, RerankSettings(no_repeat_hours=24)) == [1, 2, 4]


def test_of_one_list_shown_the_best_come_back() -> None:
    one = candidates([3, 2, 1], hours_ago={0: 1, 1: 1, 2: 1})
    assert positions(one, 2, RerankSettings(no_repeat_hours=24)) == [0, 1]


@given(any_candidates(), counts, st.floats(0.1, 48))
def test_no_repeats_hold_whenever_enough_others_exist(one: RerankInput, count, hours) -> None:
    def repeats(position: int) -> bool:
        shown = one.shown_ms.get(one.item_ids[position])
        return shown is not None and one.now_ms - shown < hours * 3_600_000

    others = sum(not repeats(position) for position in range(len(one.item_ids)))
    listed = positions(one, count, RerankSettings(no_repeat_hours=hours))
    wanted = min(count, len(one.item_ids))
    assert sum(map(repeats, listed)) == max(0, wanted - others)


# Rules


def test_pins_are_first_in_the_order_of_the_rules() -> None:
    attributes = [{}, {"colour": "red"}, {"colour": "blue"}, {"colour": "red"}, {}]
    one = candidates([5, 4, 3, 2, 1], attributes=attributes, hours_ago={2: 1})
    settings = RerankSettings(rules=(Rule(BLUE, "pin"), Rule(RED, "pin")), no_repeat_hours=24)
    items = reranked(one, 4, settings)
    assert [item.position for item in items] == [2, 1, 3, 0]
    assert [item.moves for item in items] == [("pin",)] * 3 + [()]


@given(any_candidates(), counts, any_settings)
def test_pins_are_first(one, count, settings) -> None:
    settings = replace(settings, rules=(Rule(RED, "pin"),), max_per_attribute={})
    red = [p for p in range(len(one.item_ids)) if one.attributes(p).get("colour") == "red"]
    listed = positions(one, count, settings)
    assert listed[: len(red)] == red[:count]


def test_a_cap_holds_for_pins_too() -> None:
    one = candidates([3, 2, 1, 0], attributes=[{}, {}, {"colour": "red"}, {"colour": "red"}])
    settings = RerankSettings(rules=(Rule(RED, "pin"),), max_per_attribute={"colour": 1})
    assert positions(one, 3, settings) == [2, 0, 1]


def test_boost_and_bury_move_scores_by_their_standard_deviation() -> None:
    scores = [4.0, 3.0, 2.0, 1.0]
    deviation = float(np.std(scores))
    attributes = [{"colour": "blue"}, {}, {}, {"colour": "red"}]
    settings = RerankSettings(
        rules=(Rule(RED, "boost", 2.0), Rule(BLUE, "bury", 1.0), Rule(RED, "bury", 0.5))
    )
    items = {item.position: item for item in reranked(candidates(scores, attributes=attributes), 4, settings)}
    assert list(items) == [1, 0, 3, 2]
    assert items[3].moves == ("boost", "bury")
    assert items[3].boosted == pytest.approx(2 * deviation)
    assert items[3].buried == pytest.approx(-0.5 * deviation)
    assert items[0].contributions == (("bury", pytest.approx(-deviation)),)
    assert items[1].contributions == ()


def test_scores_that_rules_make_equal_are_in_the_order_of_hashes() -> None:
    one = replace(
        candidates([1.0, 1.0, 1.0], attributes=[{"colour": "red"}] * 3), hashes=np.array([2, 0, 1], np.uint64)
    )
    assert positions(one, 3, RerankSettings(rules=(Rule(RED, "boost", 1.0),))) == [1, 2, 0]


def test_a_rule_boosts_where_all_scores_are_equal() -> None:
    one = candidates([1.0, 1.0], attributes=[{}, {"colour": "red"}])
    assert positions(one, 2, RerankSettings(rules=(Rule(RED, "boost", 0.1),))) == [1, 0]


# New items


@pytest.mark.parametrize(
    ("of_20", "count", "slots"), [(3, 20, 3), (3, 40, 6), (1, 10, 1), (1, 9, 0), (20, 7, 7)]
)
def test_slots_are_scaled_to_the_count(of_20, count, slots) -> None:
    assert slots_of(of_20, count) == slots


@given(any_candidates(), counts, any_settings)
def test_slots_are_reached_whenever_enough_new_items_exist(one, count, settings) -> None:
    settings = replace(settings, max_per_attribute={}, no_repeat_hours=0, rules=())
    new = one.positives < settings.new_item_events
    listed = positions(one, count, settings)
    wanted = min(slots_of(settings.new_item_slots, count), int(new.sum()))
    assert new[listed].sum() >= min(wanted, len(listed))


def test_places_for_new_items_are_spread_and_go_to_the_best_of_them() -> None:
    one = candidates(list(range(60, 0, -1)), positives=[100] * 40 + [0] * 20)
    items = reranked(one, 20, RerankSettings(new_item_slots=4))
    new = {place: item.position for place, item in enumerate(items) if item.position >= 40}
    assert new == {2: 40, 7: 41, 12: 42, 17: 43}
    assert [place for place, item in enumerate(items) if item.moves == ("new_item",)] == list(new)
    assert [item.position for item in items if item.position < 40] == list(range(16))


def test_places_are_kept_for_new_items_that_lack_little_only() -> None:
    # The best new item has score 20, the one after it 19 …; places 18 to 20 hold 43, 42, 41.
    one = candidates(list(range(60, 0, -1)), positives=[100] * 40 + [0] * 20)
    new = {
        margin: sum(
            one.positives[position] == 0
            for position in positions(one, 20, RerankSettings(new_item_slots=3, new_item_margin=margin))
        )
        for margin in (0.0, 20.9, 21.0, 22.9, 23.0, 25.0, 1e9)
    }
    assert new == {0.0: 0, 20.9: 0, 21.0: 1, 22.9: 1, 23.0: 2, 25.0: 3, 1e9: 3}


@given(any_candidates(), counts, any_settings)
def test_what_is_kept_within_any_margin_is_kept_without_one(one, count, settings) -> None:
    settings = replace(settings, exploration="none", rules=(), max_per_attribute={}, no_repeat_hours=0)

    def new(margin: float | None) -> int:
        listed = positions(one, count, replace(settings, new_item_margin=margin))
        return int((one.positives[listed] < settings.new_item_events).sum())

    found = [new(0.0), new(0.5), new(2.0), new(None)]
    assert found == sorted(found)


@given(any_candidates(), counts, any_settings)
def test_a_list_with_enough_new_items_stays_as_it_is(one, count, settings) -> None:
    settings = replace(settings, exploration="none", new_item_slots=0)
    before = reranked(one, count, settings)
    new = sum(one.positives[item.position] < settings.new_item_events for item in before)
    slots = next(of_20 for of_20 in range(20, -1, -1) if slots_of(of_20, count) <= new)
    assert reranked(one, count, replace(settings, new_item_slots=slots)) == before


# Diversity


def test_the_second_place_goes_to_what_is_unlike_the_first() -> None:
    one = candidates([1.0, 0.9, 0.5, 0.0], vectors=[[1, 0], [1, 0.1], [0, 1], [-1, 0]])
    items = reranked(one, 2, RerankSettings(diversity=0.7))
    assert [item.position for item in items] == [0, 2]
    assert [item.moves for item in items] == [(), ("diversity",)]


def test_utilities_are_those_of_the_formula() -> None:
    random = np.random.default_rng(3)
    scores = -np.sort(-random.normal(size=12))
    one = candidates(scores, vectors=random.normal(size=(12, 4)))
    share = 0.8
    distances = 1 - one.vectors.astype(np.float64) @ one.vectors.T
    expected = [0]
    while len(expected) < 12:
        left = [p for p in range(12) if p not in expected]

        def adds(position: int) -> float:
            apart = distances[position, expected].sum()
            return (1 - share) * scores[position] / np.std(scores) + share / 12 * apart

        expected.append(max(left, key=adds))
    assert expected != sorted(expected)
    assert positions(one, 12, RerankSettings(diversity=share)) == expected


def test_items_without_a_value_in_common_are_unlike() -> None:
    genres = [["drama"], ["drama", "war"], ["war", "drama"], ["comedy"], ["crime", "comedy"], ["western"]]
    one = candidates([6, 5, 4, 3, 2, 1], attributes=[{"genres": each} for each in genres])
    settings = RerankSettings(diversity=0.9, diversity_by=("genres",))
    items = reranked(one, 4, settings)
    # A comedy beside the drama, the better one; the western is unlike all three.
    assert [item.position for item in items] == [0, 3, 1, 5]
    assert [item.moves for item in items] == [(), ("diversity",), (), ("diversity",)]
    assert positions(one, 4, replace(settings, diversity_by=())) == [0, 1, 2, 3]


def test_a_value_in_common_counts_whichever_attribute_has_it() -> None:
    attributes = [{"brand": "a", "kind": "x"}, {"brand": "a", "kind": "y"}, {"brand": "b", "kind": "x"}]
    one = candidates([4, 3, 2, 1], attributes=[*attributes, {"brand": "b", "kind": "y"}])
    assert positions(one, 2, RerankSettings(diversity=0.9, diversity_by=("brand", "kind"))) == [0, 3]
    assert positions(one, 2, RerankSettings(diversity=0.9, diversity_by=("brand",))) == [0, 2]


def test_an_item_without_the_attribute_is_not_the_most_novel() -> None:
    attributes = [{"genres": ["drama"]}, {"genres": ["drama"]}, {}, {"genres": ["drama"]}]
    one = candidates([1.0, 0.99, 0.5, 0.4], attributes=attributes)
    assert positions(one, 3, RerankSettings(diversity=0.95, diversity_by=("genres",))) == [0, 1, 2]
    # And it makes nothing else more or less novel.
    first = candidates([1.0, 0.99, 0.5], attributes=[{}, *attributes[:2]])
    assert positions(first, 3, RerankSettings(diversity=0.95, diversity_by=("genres",))) == [0, 1, 2]


@given(any_candidates(), counts, st.floats(0.01, 1), st.sampled_from([(), ("tags",), ("colour", "tags")]))
def test_diversity_does_not_depend_on_the_scale_of_scores(one, count, share, by) -> None:
    """Powers of two, so that nothing is rounded otherwise."""
    settings = RerankSettings(diversity=share, diversity_by=by)
    scaled = replace(one, scores=one.scores * 1024)
    assert positions(one, count, settings) == positions(scaled, count, settings)


def test_an_item_without_vector_is_not_the_most_novel() -> None:
    vectors = [[1, 0], [1, 0.01], [0, 0], [1, 0.02]]
    one = candidates([1.0, 0.99, 0.5, 0.4], vectors=vectors)
    assert positions(one, 2, RerankSettings(diversity=0.95)) == [0, 1]


def test_diversity_does_not_fall_on_average_as_its_share_rises() -> None:
    def intra_list(diversity: float, seed: int) -> float:
        random = np.random.default_rng(seed)
        one = candidates(-np.sort(-random.normal(size=60)), vectors=random.normal(size=(60, 8)))
        vectors = one.vectors[positions(one, 10, RerankSettings(diversity=diversity))]
        return 1 - float((vectors @ vectors.T)[np.triu_indices(10, 1)].mean())

    means = [np.mean([intra_list(d, seed) for seed in range(40)]) for d in (0, 0.3, 0.6, 0.8, 0.95)]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.05
