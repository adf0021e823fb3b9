"""The taste vector: linear in the past items, comparable across people, fading."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import SettingError
from models.profile import TasteSettings, new_profile, taste, taste_from_seeds
from streams.settings import ProfileSettings
from tests.unit.models.profile_events import HOUR_MS, NOW_MS, distinct_events, event, profile_of

SETTINGS = TasteSettings()
ROWS = {name: row for row, name in enumerate("abcdefgh")}
MATRIX = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
MATRIX /= np.linalg.norm(MATRIX, axis=1, keepdims=True)
AXES = np.eye(8, dtype=np.float32)


def reference(profile, rows, matrix, now_ms, settings) -> np.ndarray:
    """The documented formula, entry by entry."""
    known = [entry for entry in profile.history if entry.item_id in rows]
    if not known:
        return np.zeros(matrix.shape[1])
    newest = max(entry.occurred_at_ms for entry in known)
    hours = settings.short_half_life_hours
    directions = []
    for half_life_ms in (hours * HOUR_MS, settings.long_half_life_days * 24 * HOUR_MS):
        total, mass = np.zeros(matrix.shape[1]), 0.0
        for entry in known:
            decayed = entry.weight * 2.0 ** (-(newest - entry.occurred_at_ms) / half_life_ms)
            total += decayed * matrix[rows[entry.item_id]].astype(np.float64)
            mass += abs(decayed)
        directions.append(total / max(np.linalg.norm(total), 0.05 * mass))
    share = settings.short_share * 2.0 ** (-max(0, now_ms - newest) / (hours * HOUR_MS))
    return share * directions[0] + (1 - share) * directions[1]


@given(
    distinct_events(),
    st.sets(st.sampled_from(sorted(ROWS))),
    st.integers(-2, 100),
    st.floats(0, 1),
)
def test_taste_is_what_its_formula_says(events, unknown, hours_later, short_share) -> None:
    profile = profile_of(*events)
    rows = {name: row for name, row in ROWS.items() if name not in unknown}
    settings = TasteSettings(short_share=short_share)
    now_ms = NOW_MS + hours_later * HOUR_MS
    found = taste(profile, rows, MATRIX, now_ms, settings)
    expected = reference(profile, rows, MATRIX, now_ms, settings)
    if found is None:
        np.testing.assert_allclose(expected, 0.0, atol=1e-6)
    else:
        np.testing.assert_allclose(found.vector, expected, atol=1e-9)
        assert np.linalg.norm(found.vector) <= 1 + 1e-6
        # Each past item's part is its coefficient times its vector, and the parts are all there is.
        np.testing.assert_allclose(found.coefficients @ found.item_vectors, found.vector, atol=1e-12)
        assert len(set(found.item_ids)) == len(found.item_ids) == len(found.actions)
        assert set(found.item_ids) <= set(rows)


def test_no_history_or_only_unknown_items_gives_no_vector() -> None:
    assert taste(new_profile("anna"), ROWS, MATRIX, NOW_MS, SETTINGS) is None
    profile = profile_of(event(1, "a"), event(2, "b"))
    assert taste(profile, {}, MATRIX, NOW_MS, SETTINGS) is None
    without_vector = MATRIX.copy()
    without_vector[:2] = 0.0
    assert taste(profile, ROWS, without_vector, NOW_MS, SETTINGS) is None


def test_an_item_counts_from_the_moment_its_vector_is_known() -> None:
    profile = profile_of(event(1, "a"), event(2, "b", hours_ago=-1))
    before = taste(profile, {"a": 0}, AXES, NOW_MS, SETTINGS)
    after = taste(profile, {"a": 0, "b": 1}, AXES, NOW_MS, SETTINGS)
    assert before is not None
    assert after is not None
    assert before.item_ids == ("a",)
    assert after.item_ids == ("a", "b")
    assert after.vector[1] > after.vector[0] > 0
    without_vector = AXES.copy()
    without_vector[1] = 0.0
    half = taste(profile, ROWS, without_vector, NOW_MS, SETTINGS)
    assert half is not None
    np.testing.assert_array_equal(half.vector, before.vector)


def test_disliked_items_subtract() -> None:
    found = taste(profile_of(event(1, "a", "like"), event(2, "b", "dislike")), ROWS, AXES, NOW_MS, SETTINGS)
    assert found is not None
    assert found.vector[0] == pytest.approx(np.sqrt(0.5))
    assert found.vector[1] == pytest.approx(-np.sqrt(0.5))


def test_actions_that_cancel_out_are_no_taste() -> None:
    profile = profile_of(event(1, "a", "like"), event(2, "a", "dislike"))
    assert taste(profile, ROWS, AXES, NOW_MS, SETTINGS) is None


def test_actions_that_nearly_cancel_out_are_a_faint_taste() -> None:
    nearly = np.array([[1, 0], [np.cos(0.01), np.sin(0.01)]], np.float32)
    profile = profile_of(event(1, "a", "like"), event(2, "b", "dislike"))
    found = taste(profile, {"a": 0, "b": 1}, nearly, NOW_MS, SETTINGS)
    assert found is not None
    # 2 · 0.01 apart, over 0.05 of the weights 2 + 2.
    assert np.linalg.norm(found.vector) == pytest.approx(0.1, rel=1e-3)


def test_the_short_half_life_follows_the_last_hours_and_then_gives_way() -> None:
    events = [event(n, "a", hours_ago=200 + n) for n in range(10)] + [event(99, "b")]
    profile = profile_of(*events)

    def at(hours: float) -> np.ndarray:
        found = taste(profile, ROWS, AXES, round(NOW_MS + hours * HOUR_MS), SETTINGS)
        assert found is not None
        return found.vector

    assert at(0)[1] > at(6)[1] > at(600)[1]
    assert at(600)[0] > at(600)[1]
    only_long = taste(profile, ROWS, AXES, NOW_MS, TasteSettings(short_share=0.0))
    assert only_long is not None
    np.testing.assert_allclose(at(10_000), only_long.vector, atol=1e-12)


def test_scores_compare_between_short_and_long_histories() -> None:
    one = profile_of(event(0, "a"))
    many = profile_of(*(event(n, "a", hours_ago=n) for n in range(150)))
    for profile in (one, many):
        found = taste(profile, ROWS, AXES, NOW_MS, SETTINGS)
        assert found is not None
        assert found.vector[0] == pytest.approx(1.0)


def test_the_action_named_is_the_one_that_counts_most() -> None:
    profile = profile_of(event(1, "a", "purchase"), event(2, "a", "view"), event(3, "b", "click"))
    found = taste(profile, ROWS, AXES, NOW_MS, SETTINGS)
    assert found is not None
    assert dict(zip(found.item_ids, found.actions, strict=True)) == {"a": "purchase", "b": "click"}


def test_a_history_of_years_does_not_underflow() -> None:
    profile = profile_of(event(1, "a", hours_ago=24 * 365 * 20), event(2, "b", hours_ago=24 * 365 * 10))
    found = taste(profile, ROWS, AXES, NOW_MS, SETTINGS)
    assert found is not None
    assert np.isfinite(found.vector).all()
    assert found.vector[1] == pytest.approx(1.0)


def test_seeds_are_what_they_have_in_common() -> None:
    found = taste_from_seeds(["a", "b", "a", "nobody"], ROWS, AXES)
    assert found is not None
    assert found.kind == "seed_item"
    assert found.item_ids == ("a", "b")
    np.testing.assert_allclose(found.vector[:2], np.sqrt(0.5))
    assert taste_from_seeds(["nobody"], ROWS, AXES) is None
    assert taste_from_seeds(["a"], ROWS, np.zeros_like(AXES)) is None


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = ProfileSettings().model_dump()
    assert asdict(SETTINGS) == {name: settings[name] for name in asdict(SETTINGS)}


@pytest.mark.parametrize(
    "wrong", [{"short_half_life_hours": 0.0}, {"short_share": 1.5}, {"long_half_life_days": -1}]
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        TasteSettings(**wrong)
