"""What a command writes to have a version serve, with workers that answer and without."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.lifecycle import START, Activated, Bundle, Lifecycle, ModelRef, Refused
from models.lifecycles import Lifecycles, apply_any
from streams.errors import ModelRefusedError
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from tests.unit.swap.random_fusion import falsify, write_bundle
from tests.unit.user_models.random_user_model import falsify as falsify_user_model
from tests.unit.user_models.random_user_model import write_user_model
from tests.unit.workers.fakes import now
from workers.bundle_archive import pack
from workers.cli.models import outcome_note
from workers.encoders_in_use import encoder_registry, fusion_in_use, specs_in_use
from workers.model_reports import ModelReport
from workers.model_switch import nobody_answers, switch_records, user_switch_records
from workers.model_versions import model_versions, start_of
from workers.models_topic import all_taken, taken

LOST = Bundle(ModelRef("lost", "1"), "file:///nowhere/lost@1.tar", "a" * 64, "random-00000000", 8)


def serving_what_is_lost() -> Lifecycle:
    return Lifecycle(active=Activated(LOST.ref, LOST.space, LOST, START))


def settings_with(folder: Path) -> Settings:
    return Settings(models=ModelSettings(folder=folder))


def after(state: Lifecycle, settings: Settings, ref: ModelRef, *, at_once: bool) -> Lifecycle:
    for place, record in enumerate(switch_records(settings, state, ref, now(), at_once=at_once), 10):
        state = taken(state, record.key, record.value, place)
    return state


def announced(folder: Path, settings: Settings, *, is_false: bool) -> Bundle:
    specs = specs_in_use(settings, encoder_registry(settings))
    manifest = write_bundle(folder / "source", specs)
    if is_false:
        falsify(folder / "source", manifest)
    data = pack(folder / "source")
    (folder / "shop@1.tar").write_bytes(data)
    uri, sha256 = (folder / "shop@1.tar").as_uri(), hashlib.sha256(data).hexdigest()
    return Bundle(ModelRef("shop", "1"), uri, sha256, manifest.space, manifest.dimension)


def test_who_answers_gets_ready_before_anything_serves(tmp_path: Path) -> None:
    state = after(serving_what_is_lost(), settings_with(tmp_path), START, at_once=False)
    assert (state.active_ref, state.target) == (LOST.ref, START)


def test_where_nobody_answers_the_settings_serve_again_at_once(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    state = after(serving_what_is_lost(), settings, START, at_once=True)
    assert (state.active_ref, state.target, state.previous) == (START, None, LOST.ref)
    assert state.active is not None
    assert state.active.space == fusion_in_use(settings, encoder_registry(settings)).space


@pytest.mark.parametrize("is_false", [False, True])
def test_where_nobody_answers_a_bundle_serves_once_it_is_checked_here(tmp_path: Path, is_false: bool) -> None:
    settings = settings_with(tmp_path)
    bundle = announced(tmp_path, settings, is_false=is_false)
    state = Lifecycle(bundles={bundle.ref: (0, bundle)}, active=serving_what_is_lost().active)
    if is_false:
        with pytest.raises(ModelRefusedError, match="cosine"):
            after(state, settings, bundle.ref, at_once=True)
        return
    state = after(state, settings, bundle.ref, at_once=True)
    assert (state.active_ref, state.bundle(bundle.ref), state.previous) == (bundle.ref, bundle, LOST.ref)


def test_answers_come_from_those_who_fuse_or_make_lists() -> None:
    def report(role: str) -> ModelReport:
        return ModelReport(role=role, serving="settings@start", space="first")

    assert nobody_answers([])
    assert nobody_answers([report("learn")])
    assert not nobody_answers([report("recommend")])
    assert not nobody_answers([report("learn"), report("fuse")])


def test_who_waits_is_told_that_another_version_was_asked_for() -> None:
    state = Lifecycle(bundles={LOST.ref: (0, LOST)}, wanted=(1, LOST.ref))
    assert "goes on getting ready" in outcome_note(state, LOST.ref, 10.0)
    other = Lifecycle(bundles={LOST.ref: (0, LOST)}, wanted=(2, START))
    assert "settings@start was asked for meanwhile" in outcome_note(other, LOST.ref, 10.0)


def user_model(folder: Path, settings: Settings, *, is_false: bool = False) -> Bundle:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    source = folder / "taste"
    manifest = write_user_model(source, fusion.space, fusion.dimension)
    if is_false:
        negated = (-np.frombuffer(manifest.samples[0].vector, "<f4")).tobytes()
        falsify_user_model(source, manifest, vector=negated)
    data = pack(source)
    (folder / "taste@1.tar").write_bytes(data)
    uri, sha256 = (folder / "taste@1.tar").as_uri(), hashlib.sha256(data).hexdigest()
    return Bundle(ModelRef("taste", "1"), uri, sha256, fusion.space, fusion.dimension)


def after_all(state: Lifecycles, settings: Settings, bundle: Bundle, ref: ModelRef) -> Lifecycles:
    records = user_switch_records(settings, state, bundle.space, ref, now(), at_once=True)
    for place, record in enumerate(records, 10):
        state = all_taken(state, record.key, record.value, place)
    return state


def test_where_nobody_answers_a_user_model_serves_once_it_is_checked_here(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    bundle = user_model(tmp_path, settings)
    announced = Lifecycles(users={bundle.space: Lifecycle(bundles={bundle.ref: (0, bundle)})})
    state = after_all(announced, settings, bundle, bundle.ref)
    assert state.users_of(bundle.space).active_ref == bundle.ref
    assert state.fusions == Lifecycle()
    back = after_all(state, settings, bundle, START).users_of(bundle.space)
    assert (back.active_ref, back.previous) == (START, bundle.ref)
    bundle = user_model(tmp_path, settings, is_false=True)
    announced = Lifecycles(users={bundle.space: Lifecycle(bundles={bundle.ref: (0, bundle)})})
    with pytest.raises(ModelRefusedError, match="cosine"):
        after_all(announced, settings, bundle, bundle.ref)


def test_of_user_models_only_workers_that_load_them_answer() -> None:
    def report(role: str) -> ModelReport:
        return ModelReport(role=role, serving="settings@start", space="first")

    assert nobody_answers([report("recommend"), report("fuse")], "user_model")
    assert not nobody_answers([report("user_model")], "user_model")


def test_the_list_says_what_becomes_of_user_models_beside_fusions(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    start = start_of(settings)
    one = Bundle(ModelRef("taste", "1"), "file:///taste@1.tar", "a" * 64, start.space, start.dimension)
    two, rests = (
        replace(one, ref=ModelRef("taste", version), space=space)
        for version, space in (("2", start.space), ("3", LOST.space))
    )
    state = Lifecycles(
        users={
            start.space: Lifecycle(
                bundles={one.ref: (0, one), two.ref: (1, two)},
                wanted=(3, two.ref),
                active=Activated(one.ref, one.space, one, START),
            ),
            LOST.space: Lifecycle(active=Activated(rests.ref, rests.space, rests, START)),
        }
    )
    report = ModelReport(
        role="user_model",
        serving="taste@1",
        space=start.space,
        checked=["taste@1", "taste@2"],
        ready={"taste@1": "a" * 64},
    )
    same_worker = ModelReport(
        role="recommend", serving="settings@start", space=start.space, checked=[], ready={}
    )
    rows = {row.model: row for row in model_versions(settings, state, [same_worker, report])}
    assert rows["settings@start"].checked_by == 1, "one worker, of whatever it tells"
    assert {name: (row.kind, row.state) for name, row in rows.items()} == {
        "settings@start": ("fusion", "active"),
        "taste@1": ("user_model", "active"),
        "taste@2": ("user_model", "preparing"),
        "taste@3": ("user_model", "active"),
    }
    assert (rows["taste@1"].detail, rows["taste@2"].detail) == ("", "0 of 1 workers are ready")
    assert rows["taste@3"].detail == f"rests: lists are of the space {start.space}"
    assert rows["taste@2"].checked_by == 1
    refused = Refused(two.ref, two.sha256, "it is not finite")
    told = model_versions(settings, apply_any(state, refused, 5), [report])
    assert [(one.state, one.detail) for one in told if one.model == "taste@2"] == [
        ("refused", "it is not finite")
    ]
