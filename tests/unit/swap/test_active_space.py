"""A role that makes no lists, such as `learn`: it starts anew where another space or user model serves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from models.lifecycle import START, Activated, Announced, Bundle, ModelRef
from models.lifecycles import Lifecycles, OfUserModels, apply_any
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from streams.topic_names import TopicNames
from tests.unit.user_models.random_user_model import write_user_model
from workers.bundle_archive import pack
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.wiring import models as wiring
from workers.wiring.around import Around

TASTE, SHOP = ModelRef("taste", "1"), ModelRef("shop", "1")


class Follower:
    """What `ModelsFollower` offers, fed by hand."""

    made: list[Follower]

    def __init__(self, settings: Any, topics: Any, on_change: Callable[[Lifecycles], None]) -> None:
        self.all = Lifecycles()
        self._on_change = on_change
        self._place = 0
        self.made.append(self)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def say(self, *changes: Any) -> None:
        for change in changes:
            self.all = apply_any(self.all, change, self._place)
            self._place += 1
        self._on_change(self.all)


class Role:
    """Whose starts are counted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(models=ModelSettings(folder=folder))
        self.anew = 0
        Follower.made = []
        monkeypatch.setattr(wiring, "ModelsFollower", Follower)
        monkeypatch.setattr(wiring, "FIRST_WAIT_S", 0.0)
        monkeypatch.setattr(wiring, "LONGEST_WAIT_S", 0.0)

    def start_anew(self) -> None:
        self.anew += 1

    def around(self, resources: AsyncExitStack) -> Around:
        none: Any = None
        names = TopicNames("t.")
        return Around(self.settings, names, none, none, self.start_anew, none, False, resources)

    def announced(self, folder: Path) -> Bundle:
        """A user model of the space of the settings, where workers find it."""
        fusion = fusion_in_use(self.settings, encoder_registry(self.settings))
        write_user_model(folder / "taste", fusion.space, fusion.dimension)
        data = pack(folder / "taste")
        (folder / "taste@1.tar").write_bytes(data)
        uri, sha256 = (folder / "taste@1.tar").as_uri(), hashlib.sha256(data).hexdigest()
        return Bundle(TASTE, uri, sha256, fusion.space, fusion.dimension)


def pointer(bundle: Bundle) -> tuple[OfUserModels, OfUserModels]:
    activated = Activated(bundle.ref, bundle.space, bundle, START)
    return OfUserModels(bundle.space, Announced(bundle)), OfUserModels(bundle.space, activated)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_it_starts_anew_with_a_user_model_that_comes_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    role = Role(tmp_path, monkeypatch)
    async with AsyncExitStack() as resources:
        active, model, has_any = await wiring.active_space_and_user_model(role.around(resources))
        assert (model, has_any, active.user_model) == (None, False, None)
        bundle = role.announced(tmp_path)
        announced, activated = pointer(bundle)
        (follower,) = Follower.made
        follower.say(announced)
        assert role.anew == 0
        follower.say(activated)
        assert role.anew == 1
        # As it finds it at the start that follows.
        if is_lost:
            (tmp_path / "taste@1.tar").unlink()
        monkeypatch.setattr(Follower, "start", lambda self: _say_later(self, announced, activated))
        active, model, has_any = await wiring.active_space_and_user_model(role.around(resources))
        assert (active.user_model, has_any) == (bundle, True)
        assert (model is None) == is_lost, "it goes on without, rather than not at all"
        assert role.anew == 1


async def _say_later(follower: Follower, *changes: Any) -> None:
    follower.say(*changes)


async def test_a_user_model_of_another_space_or_in_another_role_is_nothing_to_start_anew_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = Role(tmp_path, monkeypatch)
    async with AsyncExitStack() as resources:
        await wiring.active_space_and_user_model(role.around(resources))
        await wiring.active_space(role.around(resources))
        learn, explain = Follower.made
        learn.say(*pointer(Bundle(TASTE, "file:///taste.tar", "a" * 64, "another", 4)))
        explain.say(*pointer(role.announced(tmp_path)))
        assert role.anew == 0
        shop = Bundle(SHOP, "file:///shop.tar", "a" * 64, "another", 4)
        learn.say(Activated(SHOP, "another", shop, START))
        explain.say(Activated(SHOP, "another", shop, START))
        assert role.anew == 2
