"""What a command writes to have a version serve, with workers that answer and without."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.lifecycle import START, Activated, Bundle, Lifecycle, ModelRef
from streams.errors import ModelRefusedError
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from tests.unit.swap.random_fusion import falsify, write_bundle
from tests.unit.workers.fakes import now
from workers.bundle_archive import pack
from workers.cli.models import outcome_note
from workers.encoders_in_use import encoder_registry, fusion_in_use, specs_in_use
from workers.model_reports import ModelReport
from workers.model_switch import nobody_answers, switch_records
from workers.models_topic import taken

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
