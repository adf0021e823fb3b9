"""Commands against a real Kafka and Redis; no worker runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.dead_letters import dead_letter_outgoing
from streams.errors import MediaUnreadableError
from streams.records import Record
from streams.settings import KafkaSettings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from workers.cli.running import run
from workers.roles import ROLES

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Freshet:
    """The command, against the servers of the test and with topics of its own."""

    def __init__(self, kafka: Any, redis_url: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, request_timeout_s=60)
        self.names = TopicNames(prefix)
        self._flags = [
            *("--bootstrap-servers", kafka.bootstrap_servers, "--redis-url", redis_url, "--prefix", prefix),
            *("-o", "topics.user_partitions=3", "-o", "topics.item_partitions=2"),
            *("-o", "kafka.request_timeout_s=60"),
        ]
        self._capsys = capsys
        self.err = ""

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code and standard output."""
        self._capsys.readouterr()
        code = run([*arguments, *self._flags])
        out, self.err = self._capsys.readouterr()
        return code, out

    def records(self, topic: str) -> list[Record]:
        with TopicReader(self.kafka, topic, "beginning") as reader:
            return list(reader.read_to_end())


@pytest.fixture
def freshet(kafka: Any, redis_server: Any, topic_prefix: str, capsys: pytest.CaptureFixture[str]) -> Freshet:
    command = Freshet(kafka, redis_server.url, topic_prefix, capsys)
    code, _ = command("topics", "create")
    assert code == 0
    return command


def test_topics_are_created_once_and_listed(freshet: Freshet) -> None:
    code, out = freshet("topics", "create", "--json")
    assert (code, json.loads(out)) == (0, [])
    code, out = freshet("topics", "list", "--json")
    partitions = {topic["name"]: topic["partitions"] for topic in json.loads(out)}
    assert partitions[freshet.names.events] == 3
    assert partitions[freshet.names.items] == 2
    assert any(name.startswith(f"{freshet.names.prefix}item-vectors.") for name in partitions)
    assert freshet.names.events in freshet("topics", "list")[1]


def test_publish_reports_bad_lines_by_number_and_publishes_the_rest(freshet: Freshet, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"item_id":"a","title":"A"}\n{"title":"no id"}\n\n{broken\n{"item_id":"b"}\n')
    code, _ = freshet("publish", "items", str(file))
    assert code == 1
    assert "line 2: " in freshet.err
    assert "`item_id`" in freshet.err
    assert "line 4: " in freshet.err
    assert "2 items published, 2 bad lines" in freshet.err
    assert sorted(record.key or b"" for record in freshet.records(freshet.names.items)) == [b"a", b"b"]


def test_publish_reads_standard_input_and_tells_as_json(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {
        "event_id": "1",
        "user_id": "u",
        "item_id": "i",
        "action": "click",
        "occurred_at": NOW.isoformat(),
    }
    data = (json.dumps(event) + "\n").encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, out = freshet("publish", "events", "-", "--json")
    assert (code, json.loads(out)) == (0, {"published": 1, "bad": 0, "bad_lines": []})
    (record,) = freshet.records(freshet.names.events)
    assert record.key == b"u"


def test_publish_to_topics_that_do_not_exist_says_what_to_do(
    freshet: Freshet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"item_id":"a"}\n')
    servers = freshet.kafka.bootstrap_servers
    code = run(["publish", "items", str(file), "--prefix", "absent.", "--bootstrap-servers", servers])
    assert code == 2
    assert "freshet topics create" in capsys.readouterr().err


def test_without_a_worker_the_answer_is_waited_for_and_said(freshet: Freshet) -> None:
    code, _ = freshet("recommend", "anna", "--timeout", "0.5")
    assert code == 3
    assert "is a `recommend` worker running?" in freshet.err


@pytest.fixture
def publish_letter(freshet: Freshet) -> Iterator[Callable[[bytes, bytes, str], None]]:
    producer = KafkaProducer(bootstrap_servers=freshet.kafka.bootstrap_servers)

    def publish(key: bytes, value: bytes, stage: str) -> None:
        """Publish a message, and its dead letter."""
        sent = producer.send(freshet.names.items, key=key, value=value).get(timeout=120)
        record = Record(freshet.names.items, "", sent.partition, sent.offset, 0, key, value)
        letter = dead_letter_outgoing(
            freshet.names.dead_letters, record, stage, MediaUnreadableError("no image: \x1b[2J"), NOW
        )
        producer.send(letter.topic, key=letter.key, value=letter.value).get(timeout=120)

    yield publish
    producer.close()


def test_dead_letters_are_listed_shown_and_replayed_once(
    freshet: Freshet, publish_letter: Callable[[bytes, bytes, str], None]
) -> None:
    publish_letter(b"a", b'{"item_id":"a"}', "encode-image")
    publish_letter(b"b", b'{"item_id":"b"}', "encode-audio")

    code, out = freshet("dead-letters", "list", "--json")
    letters = [json.loads(line) for line in out.splitlines()]
    assert [one["dead_letter"]["stage"] for one in letters] == ["encode-image", "encode-audio"]
    code, out = freshet("dead-letters", "list", "--stage", "encode-audio", "--topic", "items")
    assert "media_unreadable" in out
    assert "encode-image" not in out
    assert "\x1b" not in out
    code, out = freshet("dead-letters", "list", "--reason", "malformed")
    assert "0 dead letters" in freshet.err

    number = letters[0]["number"]
    code, out = freshet("dead-letters", "show", str(number))
    assert '{"item_id":"a"}' in out
    code, out = freshet("dead-letters", "show", str(number), "--json")
    assert base64.b64decode(json.loads(out)["dead_letter"]["payload"]) == b'{"item_id":"a"}'
    assert freshet("dead-letters", "show", "999999")[0] == 1

    code, out = freshet("dead-letters", "replay", str(number), "--json")
    assert (code, json.loads(out)) == (0, {"replayed": [number], "refused": []})
    keys = [record.key for record in freshet.records(freshet.names.items)]
    assert sorted(key or b"" for key in keys) == [b"a", b"a", b"b"]
    code, _ = freshet("dead-letters", "replay", str(number))
    assert code == 1
    assert "published again since" in freshet.err


def test_replay_of_all_takes_each_message_once(
    freshet: Freshet, publish_letter: Callable[[bytes, bytes, str], None]
) -> None:
    publish_letter(b"a", b'{"item_id":"a"}', "encode-image")
    publish_letter(b"b", b'{"item_id":"b"}', "encode-image")
    assert freshet("dead-letters", "replay", "1", "--all")[0] == 2
    code, _ = freshet("dead-letters", "replay", "--all", "--reason", "media_unreadable")
    assert code == 0
    assert len(freshet.records(freshet.names.items)) == 4


def test_the_doctor_finds_topics_roles_and_misplaced_keys(freshet: Freshet) -> None:
    code, out = freshet("doctor", "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (0, True), found
    by_area = {check["area"]: check for check in found["checks"]}
    assert set(by_area) == {"versions", "encoders", "redis", "kafka", "topics", "roles", "keys", "privacy"}
    roles = [check for check in found["checks"] if check["area"] == "roles"]
    assert len(roles) == len(ROLES)
    assert all("no worker runs" in check["found"] for check in roles)
    assert by_area["keys"]["status"] == "ok"

    producer = KafkaProducer(bootstrap_servers=freshet.kafka.bootstrap_servers)
    for number in range(12):
        producer.send(freshet.names.events, key=b"anna", value=b"{}", partition=number % 3)
    producer.close()
    code, out = freshet("doctor", "--json")
    checks = json.loads(out)["checks"]
    assert code == 0
    (keys,) = [check for check in checks if check["area"] == "keys"]
    assert (keys["status"], "8 of the newest 12" in keys["found"]) == ("warn", True)
    assert any("profile: no worker runs, 12 records wait" in check["found"] for check in checks)


def test_the_doctor_fails_where_topics_are_missing(
    freshet: Freshet, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = freshet.kafka.bootstrap_servers
    flags = ["--prefix", "absent.", "--bootstrap-servers", servers, "--redis-url", "redis://127.0.0.1:1/0"]
    code = run(["doctor", "--json", *flags])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["ok"]) == (1, False)
    failed = [check for check in found["checks"] if check["status"] == "fail"]
    assert {check["area"] for check in failed} == {"topics", "redis"}
    assert all(check["advice"] for check in failed)
    assert any("freshet topics create" in check["advice"] for check in failed)
