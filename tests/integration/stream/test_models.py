"""A model comes into a running stream: lists of one space before and after, bad bundles refused, and back."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.codec import decode_value
from streams.internal_messages import ItemVector
from streams.topic_admin import create_topics
from streams.topics import ITEM_VECTORS
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, event
from tests.integration.stream.models_cli import models_cli
from tests.integration.stream.stack import Json, Stack, contribution, unit
from tests.integration.stream.tail import Tail
from tests.unit.swap.random_fusion import falsify, write_bundle
from workers.bundle_archive import pack
from workers.encoders_in_use import encoder_registry, specs_in_use
from workers.model_versions import ModelVersion, live_reports, model_versions
from workers.models_topic import read_lifecycles

ROLES = ("text", "fuse", "profile", "recommend")
# These follow the pointer too, and must not fall over it.
FOLLOWERS = ("learn", "explain")
WORDS = ["lamp", "chair", "boots", "jazz", "forest", "kitchen", "camera", "river", "violin", "bread"]
ITEMS = 60
# A swap takes seconds; on a machine that does much else besides, minutes.
pytestmark = pytest.mark.timeout(1_200)
# The whole of it takes seconds; machines that do something else as well take longer.
SWITCH_TIMEOUT_S = 300.0
LISTS_TIMEOUT_S = 240.0


class World(Stack):
    """A stream with a text catalogue, and `freshet models` beside it."""

    def __init__(self, stream: Stream, folder: Path) -> None:
        super().__init__(stream, None, folder)  # type: ignore[arg-type]
        self.folder = folder
        self.models: Tail[Json] = Tail(
            stream.settings.kafka.bootstrap_servers, stream.names.models, json.loads
        )
        specs = specs_in_use(stream.settings, encoder_registry(stream.settings))
        self.specs = {"text": specs["text"]}
        self.spaces: dict[str, Tail[ItemVector]] = {stream.space: self.vectors}

    def close(self) -> None:
        super().close()
        for tail in (self.models, *self.spaces.values()):
            tail.close()

    def bundle(self, version: str, seed: int) -> Path:
        """A bundle of a new space."""
        folder = self.folder / f"bundle-{version}"
        write_bundle(folder, self.specs, seed=seed)  # type: ignore[arg-type]
        return folder

    def cli(self, *arguments: str, ok: bool = True) -> Any:
        """What `freshet models …` says as JSON."""
        return models_cli(self.stream, *arguments, ok=ok, timeout_s=SWITCH_TIMEOUT_S)

    def rows(self) -> dict[str, ModelVersion]:
        """What `freshet models list` shows, by version."""
        settings = self.stream.settings
        found = model_versions(settings, read_lifecycles(settings), live_reports(settings))
        return {one.model: one for one in found}

    def states(self) -> dict[str, str]:
        """By version."""
        return {model: row.state for model, row in self.rows().items()}

    def row(self, model: str) -> Json:
        """What is known of a version."""
        return asdict(self.rows()[model])

    def await_row(self, model: str, **wanted: Any) -> Json:
        """Wait until `list` says so."""
        deadline = time.monotonic() + SWITCH_TIMEOUT_S
        while not wanted.items() <= (row := self.row(model)).items():
            assert time.monotonic() < deadline, row
            time.sleep(0.3)
        return row

    def vectors_of(self, space: str) -> dict[str, np.ndarray[Any, Any]]:
        """Item → its vector in a space, by what the topic holds."""
        if space not in self.spaces:
            servers = self.stream.settings.kafka.bootstrap_servers
            self.spaces[space] = Tail(
                servers,
                self.stream.names.item_vectors(space),
                lambda value: decode_value(value, ITEM_VECTORS),
            )
        tail = self.spaces[space]
        tail.read_to_end()
        return {
            entry.value.item_id: unit(entry.value)
            for entry in tail.entries
            if entry.value is not None and entry.value.vector is not None
        }

    def await_in_space(self, space: str, item_id: str) -> None:
        """Wait until an item has a vector in a space."""
        deadline = time.monotonic() + LISTS_TIMEOUT_S
        while item_id not in self.vectors_of(space):
            assert time.monotonic() < deadline, f"{item_id} has no vector in {space}"
            time.sleep(0.2)


class Load:
    """People who act all the while, each on one item: their lists' scores can be worked out by hand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.item_of: dict[str, str] = {}

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            user, item = f"person-{secrets.token_hex(4)}", f"item-{number % ITEMS}"
            self.item_of[user] = item
            one = event(user, f"e-{secrets.token_hex(6)}", item, action="like")
            self._world.stream.publish("events", one, user)
            number += 1
            time.sleep(0.1)


@pytest.fixture
def world(kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "models").mkdir()
    with Stream(
        kafka.bootstrap_servers,
        redis_server.url,
        f"t{secrets.token_hex(4)}.",
        tmp_path,
        kafka={"session_timeout_s": 8.0, "heartbeat_interval_s": 2.0},
        models={"folder": str(tmp_path / "models")},
        recommend={"ranker": "base", "popularity_refresh_s": 0.2},
    ) as stream:
        stream.start(*ROLES)
        world = World(stream, tmp_path)
        try:
            world.await_ready(*ROLES)
            for number in range(ITEMS):
                words = (WORDS[number % len(WORDS)], WORDS[(number // len(WORDS) + 3) % len(WORDS)])
                world.publish_item(f"item-{number}", title=f"A {words[0]} and a {words[1]}, no. {number}")
            for number in range(ITEMS):
                world.await_modalities(f"item-{number}", "text")
            yield world
        finally:
            world.close()


def space_of(answer: Json) -> str:
    """The space that a list says it is of."""
    return str(answer["model"]).removeprefix("base.")


def await_lists(world: World, load: Load, space: str, count: int = 20) -> None:
    """Wait for so many more lists of a space."""
    before = len(world.lists.values(lambda one: space_of(one) == space))
    world.lists.wait_until(
        lambda: len(world.lists.values(lambda one: space_of(one) == space)) >= before + count, LISTS_TIMEOUT_S
    )


def check_each_list_is_of_one_space(world: World, load: Load, spaces: set[str]) -> list[Json]:
    """Every score of every list is worked out anew from the vectors of the one space that it names."""
    world.lists.read_to_end()
    lists = world.lists.values(lambda one: one["user_id"] in load.item_of)
    vectors = {space: world.vectors_of(space) for space in spaces}
    for one in lists:
        assert one["complete"]
        own = vectors[space_of(one)]
        taste = own[load.item_of[one["user_id"]]]
        assert len(one["items"]) == 20
        for item in one["items"]:
            content = contribution(item, "similar_item")
            assert content == pytest.approx(float(taste @ own[item["item_id"]]), abs=5e-3), one
    return lists


def test_a_swap_while_events_flow_and_back(world: World) -> None:
    first = world.stream.space
    world.stream.start(*FOLLOWERS)
    world.await_ready(*FOLLOWERS)
    with Load(world) as load:
        await_lists(world, load, first)
        announced = world.cli("announce", str(world.bundle("1", 1)), "shop@1")
        second = announced["space"]
        assert world.await_row("shop@1", checked_by=2)["state"] == "announced"
        assert world.states()["settings@start"] == "active"
        assert world.cli("activate", "shop@1") == {"model": "shop@1", "state": "active", "reason": None}
        await_lists(world, load, second)
        listed = {one["model"]: one["state"] for one in world.cli("list")}
        assert listed == {"settings@start": "previous", "shop@1": "active"}
        # What comes now is in both spaces, so that going back loses nothing.
        world.publish_item("late", title="A late lamp and a late chair")
        for space in (first, second):
            world.await_in_space(space, "late")
        words = world.ask("asks", query="late lamp", count=3)
        assert space_of(words) == second
        assert contribution(words["items"][0], "query") > 0.3
        assert world.cli("rollback")["state"] == "active"
        await_lists(world, load, first)
        assert world.states() == {"settings@start": "active", "shop@1": "previous"}
    # Every person got their list, each of one space; the spaces came one after the other.
    world.lists.wait_until(
        lambda: {one["user_id"] for one in world.lists.values(lambda one: True)} >= load.item_of.keys(),
        LISTS_TIMEOUT_S,
    )
    world.await_ready(*FOLLOWERS)
    lists = check_each_list_is_of_one_space(world, load, {first, second})
    order = [
        space_of(one) for one in sorted(lists, key=lambda one: datetime.fromisoformat(one["generated_at"]))
    ]
    changes = [space for at, space in enumerate(order) if at == 0 or order[at - 1] != space]
    assert changes == [first, second, first]
    assert world.letters.values(lambda letter: True) == []


def test_bad_bundles_are_refused_with_the_reason_and_the_old_one_serves_on(world: World) -> None:
    first = world.stream.space
    good = world.bundle("1", 1)
    false = world.folder / "false"
    falsify(false, write_bundle(false, world.specs, seed=2))  # type: ignore[arg-type]
    with Load(world) as load:
        # What is published past the command's own checks, which every worker makes again.
        for version, data, sha256, space in (
            ("wrong-hash", pack(good), "0" * 64, "random-00000000"),
            ("no-tar", b"not a tar", None, "random-00000000"),
            ("false-samples", pack(false), None, None),
        ):
            path = world.folder / "models" / f"bad@{version}.tar"
            path.write_bytes(data)
            manifest = json.loads((false / "manifest.json").read_text())
            graph = manifest["graph"]["sha256"]
            bundle = {
                "type": "bundle",
                "name": "bad",
                "version": version,
                "uri": path.as_uri(),
                "sha256": sha256 or hashlib.sha256(data).hexdigest(),
                "space": space or f"random-{graph[:8]}",
                "dimension": 32,
                "announced_at": datetime.now(UTC).isoformat(),
            }
            create_topics(world.stream.settings, [bundle["space"]])
            world.publish("models", bundle, f"bad@{version}")
            wanted = {"type": "wanted", "name": "bad", "version": version}
            world.publish("models", wanted | {"requested_at": bundle["announced_at"]}, "wanted")
            row = world.await_row(f"bad@{version}", state="refused")
            reason = {"wrong-hash": "sha256", "no-tar": "tar", "false-samples": "cosine of -1"}[version]
            assert reason in row["detail"]
        done = world.cli("activate", "bad@no-tar", ok=False)
        assert (done["state"], "tar" in done["reason"]) == ("refused", True)
        await_lists(world, load, first)
        # The next one, a good one, is not held up by them.
        world.cli("announce", str(good), "good@1")
        second = world.row("good@1")["space"]
        assert world.cli("activate", "good@1")["state"] == "active"
        await_lists(world, load, second)
    check_each_list_is_of_one_space(world, load, {first, second})


def test_restarts_and_a_worker_that_joins_in_the_middle_of_a_swap(world: World) -> None:
    first = world.stream.space
    with Load(world) as load:
        second = world.cli("announce", str(world.bundle("1", 1)), "shop@1")["space"]
        # Nobody fuses: what is wanted cannot be ready, and what serves goes on.
        (fuse,) = world.stream.processes["fuse"]
        world.stream.kill(fuse)
        world.cli("activate", "shop@1", "--no-wait")
        assert world.await_row("shop@1", state="preparing")
        await_lists(world, load, first)
        assert world.states()["settings@start"] == "active"
        # The recommend worker dies in the middle, and two come in its place; then fuse comes back.
        (recommend,) = world.stream.processes["recommend"]
        world.stream.kill(recommend)
        world.stream.start("recommend", "recommend")
        world.stream.await_started("recommend", 3, SWITCH_TIMEOUT_S)
        world.stream.start("fuse")
        world.await_row("shop@1", state="active")
        # One that comes after it serves by the pointer, not by its settings.
        world.stream.start("recommend")
        world.stream.await_started("recommend", 4, SWITCH_TIMEOUT_S)
        await_lists(world, load, second, 40)
        assert world.await_row("shop@1", detail="")["state"] == "active"
    lists = check_each_list_is_of_one_space(world, load, {first, second})
    assert {space_of(one) for one in lists} == {first, second}


def test_workers_that_cannot_load_what_serves_start_once_the_settings_serve_again(world: World) -> None:
    first = world.stream.space
    second = world.cli("announce", str(world.bundle("1", 1)), "shop@1")["space"]
    assert world.cli("activate", "shop@1")["state"] == "active"
    for role in ("fuse", "recommend"):
        (process,) = world.stream.processes[role]
        world.stream.kill(process)
    for path in (world.folder / "models").iterdir():
        path.unlink()
    world.stream.start("fuse", "recommend")
    # Those that were killed are no longer counted on; those that came cannot start, so nobody answers.
    deadline = time.monotonic() + LISTS_TIMEOUT_S
    while live_reports(world.stream.settings):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert world.cli("activate", "settings") == {"model": "settings@start", "state": "active", "reason": None}
    world.stream.await_started("recommend", 2, SWITCH_TIMEOUT_S)
    with Load(world) as load:
        await_lists(world, load, first)
    assert second not in {space_of(one) for one in check_each_list_is_of_one_space(world, load, {first})}
