"""A person is forgotten on the real stream: nothing is left of them, and nothing brings them back."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.person_hash import person_hash
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, caused_by, event, request
from workers.cli.running import run

ROLES = ("text", "fuse", "profile", "recommend", "learn", "join", "explain")
KEY = "a key of this deployment"
ID_KEY = secrets.token_hex(32)
TIME_RETAINED = ("events", "recommendation-requests", "recommendations", "explanations", "outcomes")
PERSONAL = (*TIME_RETAINED, "profiles")
ITEMS = {
    f"thing-{number}": f"{word} thing"
    for number, word in enumerate(["red", "blue", "green", "old", "new"] * 4)
}


class House:
    """Some people who act, one of whom will be forgotten, and a look into everything that is kept."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.anna = f"anna-{secrets.token_hex(6)}"
        self.others = [f"other-{secrets.token_hex(6)}" for _ in range(2)]
        # The last is known by a hash alone, to all but who holds the key.
        self.hash_key_file = stream.logs / "ids.key"
        self.hash_key_file.write_text(ID_KEY + "\n")
        self.dora = f"dora-{secrets.token_hex(6)}@example.com"
        self.hashed_dora = person_hash(self.dora, ID_KEY)
        self.others.append(self.hashed_dora)
        for item_id, title in ITEMS.items():
            stream.publish("items", {"item_id": item_id, "title": title}, item_id).get(120)

    def act(self, user_id: str, count: int = 5) -> None:
        for item_id in list(ITEMS)[:count]:
            made = event(user_id, f"e-{secrets.token_hex(6)}", item_id)
            self.stream.publish("events", made, user_id).get(120)

    def act_as_dora(self, capsys: pytest.CaptureFixture[str], count: int = 5) -> None:
        """Her events are published by her real id."""
        events = [event(self.dora, f"e-{secrets.token_hex(6)}", item_id) for item_id in list(ITEMS)[:count]]
        lines = self.stream.logs / "events.jsonl"
        lines.write_text("\n".join(map(json.dumps, events)))
        self.freshet(capsys, "publish", "events", str(lines), "--hash-key-file", str(self.hash_key_file))

    def freshet(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """A command's standard output."""
        settings = self.stream.settings
        flags = [
            *("--bootstrap-servers", settings.kafka.bootstrap_servers, "--redis-url", self.stream.redis_url),
            *("--prefix", self.stream.prefix, "-o", f"privacy.hash_key={KEY}"),
        ]
        capsys.readouterr()
        code = run([*arguments, *flags])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    def await_all_done(self) -> None:
        """Every list was made, put into Redis, joined and explained."""
        everybody = [self.anna, *self.others]
        wait_until(lambda: all(self.raw("list", user) for user in everybody), "newest lists")
        wait_until(lambda: all(self.raw("exposures", user) for user in everybody), "exposures")
        self.stream.read("explanations", lambda found: {one["user_id"] for one in found} >= {*everybody}, 60)
        asked = request(self.anna, f"r-{secrets.token_hex(6)}")
        self.stream.publish("recommendation-requests", asked, self.anna).get(120)
        self.stream.read("recommendations", lambda found: caused_by(found, asked["request_id"]) is not None)
        # On an item of the list: that is an outcome.
        listed = json.loads(self.stream.redis.hget(f"{self.stream.prefix}list:{self.anna}", "list") or b"")
        made = event(self.anna, f"e-{secrets.token_hex(6)}", listed["items"][0]["item_id"])
        self.stream.publish("events", made, self.anna).get(120)
        self.stream.await_versions({self.anna: 6})
        self.stream.read("outcomes", lambda found: any(one["user_id"] == self.anna for one in found), 60)

    def raw(self, kind: str, user_id: str) -> Any:
        return self.stream.redis.dump(f"{self.stream.prefix}{kind}:{user_id}")

    def redis_traces(self, text: str) -> list[bytes]:
        """Keys of this deployment that hold a text, in their name or in what they hold."""
        client, wanted = self.stream.redis, text.encode()
        found = []
        for key in client.scan_iter(match=f"{self.stream.prefix}*", count=1_000):
            kind = client.type(key)
            held: Any = {
                b"string": lambda k: [client.get(k) or b""],
                b"hash": lambda k: [part for entry in client.hgetall(k).items() for part in entry],
                b"zset": lambda k: client.zrange(k, 0, -1),
                b"set": client.smembers,
                b"list": lambda k: client.lrange(k, 0, -1),
            }[kind](key)
            if any(wanted in part for part in [key, *held]):
                found.append(key)
        return found

    def topic_traces(self, text: str) -> dict[str, int]:
        """Topic → records that hold a text, of all topics of this deployment."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.stream.settings.kafka.bootstrap_servers, auto_offset_reset="earliest"
        )
        found: dict[str, int] = {}
        try:
            for name in sorted(consumer.topics()):
                if not name.startswith(self.stream.prefix):
                    continue
                partitions = [TopicPartition(name, one) for one in consumer.partitions_for_topic(name)]
                consumer.assign(partitions)
                consumer.seek_to_beginning(*partitions)
                ends = consumer.end_offsets(partitions)
                while any(consumer.position(one) < end for one, end in ends.items()):
                    for records in consumer.poll(timeout_ms=200).values():
                        for record in records:
                            headers = [
                                part for name, value in record.headers for part in (name.encode(), value)
                            ]
                            if text.encode() in b"\n".join(
                                [record.key or b"", record.value or b"", *headers]
                            ):
                                found[name] = found.get(name, 0) + 1
        finally:
            consumer.close()
        return found

    def configure(self, topic: str, **config: str) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.stream.settings.kafka.bootstrap_servers)
        try:
            values = {name.replace("_", "."): value for name, value in config.items()}
            admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, self.stream.prefix + topic, values)]
            )
        finally:
            admin.close()


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 180.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.2)


def holding_roles(stream: Stream) -> set[str]:
    """Roles of which a worker says that it holds people in memory."""
    holders: list[bytes] = stream.redis.zrange(f"{stream.prefix}holders", 0, -1)  # type: ignore[assignment]
    return {holder.decode().partition("/")[0] for holder in holders}


@pytest.fixture
def house(
    kafka: KafkaServer, redis_server: RedisServer, topic_prefix: str, tmp_path: Path
) -> Iterator[House]:
    with Stream(
        kafka.bootstrap_servers,
        redis_server.url,
        topic_prefix,
        tmp_path,
        # Short, as workers are killed; not so short that one that waits for the machine is taken for dead.
        kafka={"session_timeout_s": 12.0, "heartbeat_interval_s": 2.0},
        privacy={"hash_key": KEY},
        explain={"sample_share": 1.0},
    ) as stream:
        stream.start(*ROLES)
        # Each that will hold people in memory is among those that an erasure waits for.
        wait_until(lambda: holding_roles(stream) >= {"recommend", "learn", "explain"}, "all are holders")
        yield House(stream)


@pytest.mark.timeout(1_200)
def test_a_person_is_forgotten_everywhere(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    stream, anna, dora = house.stream, house.anna, house.hashed_dora
    by_hash = ("--hash-key-file", str(house.hash_key_file))
    for user_id in [anna, *house.others[:2]]:
        house.act(user_id)
    house.act_as_dora(capsys)
    house.stream.await_versions(dict.fromkeys([anna, *house.others], 5), 180)
    house.await_all_done()

    before = json.loads(house.freshet(capsys, "export", anna))
    assert [one["item_id"] for one in before["state"]["profile"]["history"]][:5] == list(ITEMS)[:5]
    assert before["state"]["newest_list"]["user_id"] == anna
    assert before["state"]["exposures"]["lists"]
    for topic in PERSONAL:
        assert before["topics"][stream.prefix + topic], topic
    assert set(house.topic_traces(anna)) >= {stream.prefix + topic for topic in PERSONAL}
    # Whoever is published by a hash alone is found by their real id, which nothing here holds.
    held = json.loads(house.freshet(capsys, "export", house.dora, *by_hash))
    assert held["user_id"] == dora
    assert len(held["state"]["profile"]["history"]) == 5
    assert house.redis_traces(dora)
    assert house.redis_traces(house.dora) == []
    assert house.topic_traces(house.dora) == {}
    assert not [role for role in ROLES if house.dora in stream.log_of(role) or ID_KEY in stream.log_of(role)]
    others = {user_id: stream.redis.get(f"{stream.prefix}profile:{user_id}") for user_id in house.others}
    popular = stream.redis.hgetall(f"{stream.prefix}popularity")

    # A worker that holds people in memory is stopped, so that the receipt must wait; then the profile worker,
    # which has removed the profile already, is killed.
    (recommender,) = stream.processes["recommend"]
    recommender.send_signal(signal.SIGSTOP)
    house.freshet(capsys, "forget", anna, "--timeout", "0")
    wait_until(lambda: house.raw("profile", anna) is None, "the profile is removed")
    stream.kill(stream.processes["profile"][0])
    recommender.send_signal(signal.SIGCONT)
    stream.start("profile")
    (receipt,) = stream.read("erasure-receipts", lambda found: len(found) == 1, 180)

    assert receipt["user"] == person_hash(anna, KEY)
    removed = {(one["place"], one["role"]): one["records"] for one in receipt["removed"]}
    assert removed["profile in Redis", "profile"] == 1
    assert removed["history entries of the profile", "profile"] == 6
    assert removed["newest list in Redis", "profile"] == 1
    assert removed["exposures and waiting events in Redis", "profile"] >= 1
    assert removed["interaction memory, events", "recommend"] == 6
    assert removed["interaction memory, events", "learn"] == 6
    assert ("lists that wait for words", "explain") in removed
    assert receipt["expires_at"].keys() >= {stream.prefix + name for name in PERSONAL}

    assert house.redis_traces(anna) == []
    assert {user: stream.redis.get(f"{stream.prefix}profile:{user}") for user in house.others} == others
    # She had acted on every item that anybody acted on: a part of each count is taken back.
    after = stream.redis.hgetall(f"{stream.prefix}popularity")
    assert popular.keys() == after.keys()
    assert all(after[item] != popular[item] for item in popular)

    # Redis comes back empty, and everything is read again: the person does not come back.
    _restart_with_empty_redis(house)
    house.act(house.others[0], 6)
    stream.await_versions({house.others[0]: 11, **dict.fromkeys(house.others[1:], 5)}, 180)
    wait_until(lambda: house.raw("exposures", house.others[0]), "what was read again is joined")
    assert house.redis_traces(anna) == []

    # What comes after the erasure starts afresh.
    first = json.loads(house.freshet(capsys, "forget", house.dora, *by_hash, "--json", "--timeout", "180"))
    assert first["user"] == person_hash(dora, KEY)
    house.act_as_dora(capsys, 2)
    stream.await_versions({dora: 2})
    assert stream.profile(dora).since_ms > 0
    _ask(house, dora)
    wait_until(lambda: house.raw("list", dora), "a new list")
    wait_until(lambda: house.raw("exposures", dora), "new exposures")

    # After a forced roll and compaction nothing is left in compacted topics, and with a retention of seconds
    # nothing in any.
    house.configure(
        "profiles",
        segment_ms="1000",
        min_cleanable_dirty_ratio="0.001",
        min_compaction_lag_ms="0",
        max_compaction_lag_ms="1000",
        delete_retention_ms="100",
    )
    for name in (*TIME_RETAINED, "erasures", "dead-letters"):
        house.configure(name, retention_ms="1000", segment_ms="1000")

    deadline = time.monotonic() + 240
    passers_by = [f"passer-by-{number}" for number in range(32)]
    while traces := house.topic_traces(anna):
        assert time.monotonic() < deadline, traces
        # Kafka closes a segment when something comes after it, so something must come in every partition.
        house.stream.publish_events(passers_by, first=secrets.randbelow(10**9))
        for one in passers_by:
            house.stream.publish(
                "recommendation-requests", request(one, f"r-{secrets.token_hex(6)}", count=1), one
            )
        time.sleep(0.5)


def _restart_with_empty_redis(house: House) -> None:
    stream = house.stream
    for role in ROLES:
        for process in stream.processes[role]:
            if process.poll() is None:
                stream.kill(process)
    for key in stream.redis.scan_iter(match=f"{stream.prefix}*", count=1_000):
        stream.redis.delete(key)
    stream.start(*ROLES)


def _ask(house: House, user_id: str) -> None:
    asked = request(user_id, f"r-{secrets.token_hex(6)}")
    house.stream.publish("recommendation-requests", asked, user_id).get(120)


def test_forget_says_when_no_worker_answers(
    kafka: KafkaServer, redis_server: RedisServer, topic_prefix: str, tmp_path: Path, capsys: Any
) -> None:
    with Stream(kafka.bootstrap_servers, redis_server.url, topic_prefix, tmp_path) as stream:
        flags = ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", stream.prefix]
        assert run(["forget", "nobody", "--timeout", "1", *flags]) == 3
        assert "is a `profile` worker running" in capsys.readouterr().err
        assert run(["forget", "", *flags]) == 1
