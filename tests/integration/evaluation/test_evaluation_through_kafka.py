"""Evaluation and a real Kafka: lists compared with those of workers, and a log read from topics."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.datasets import Dataset, open_dataset
from streams.client import FreshetClient
from streams.codec import decode_value, outgoing
from streams.messages import Event
from streams.settings import load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from tests.conftest import KafkaServer
from tests.unit.evaluation.retained import erasure_record, event_records, feature_messages, feature_records
from tests.unit.evaluation.tiny_dataset import tiny_events, write_dataset
from workers.cli.running import run
from workers.evaluation.catalogue import build_catalogue
from workers.evaluation.offline_data import OfflineData, interaction_data
from workers.evaluation.retained_interactions import topics_data

# What differs between two runs over the same log.
TIMED = ("events_per_s", "events_per_processor_s", "held_out_per_s", "rank_ms", "learn_ms", "observe_ms")
ORIGIN = ("source", "modalities", "not_encoded", "refused_events")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(write_dataset(tmp_path / "tiny"))


def test_workers_make_the_lists_that_one_process_makes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Fewer partitions, so that a small machine has less to start.
    for name in ("USER", "ITEM"):
        monkeypatch.setenv(f"FRESHET_TOPICS__{name}_PARTITIONS", "2")
    out = tmp_path / "agreement.json"
    arguments = ["--through-kafka", "--events", "20", "--ranker", "base", "--json", str(out)]
    code = run(["evaluate", "prequential", "--dataset", str(dataset.folder), *arguments])
    found = json.loads(out.read_text())
    assert found["differences"] == []
    # Each list holds whatever of the twelve items the person has not clicked.
    assert found["places"] > 20 * 8
    assert (code, found["lists"], found["agreeing"], found["items"]) == (0, 20, 20, 12)
    assert "share" in capsys.readouterr().out


def test_a_log_from_topics_is_evaluated_as_the_data_set_that_was_published(
    dataset: Dataset, kafka: KafkaServer, topic_prefix: str, tmp_path: Path
) -> None:
    flags = ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", topic_prefix]
    flags += ["-o", "topics.user_partitions=1", "-o", "topics.item_partitions=2"]
    assert run(["topics", "create", *flags]) == 0
    names = TopicNames(topic_prefix)
    catalogue = build_catalogue(dataset, load_settings())
    with FreshetClient(kafka.bootstrap_servers, topic_prefix) as client:
        client.publish(outgoing(names.item_vectors(catalogue.space), one) for one in catalogue.vectors)
        client.publish_events(_event(line) for line in tiny_events())
    reports = [
        _report(tmp_path / name, *source, *flags)
        for name, source in (
            ("topics.json", ["--from-topics"]),
            ("folder.json", ["--dataset", str(dataset.folder)]),
        )
    ]
    from_topics, from_folder = reports
    assert from_topics["n"] > 0
    assert from_topics["refused_events"] == 0
    assert _comparable(from_topics) == _comparable(from_folder)


def test_what_is_trained_on_is_read_from_topics_with_what_was_forgotten_left_out(
    dataset: Dataset, kafka: KafkaServer, topic_prefix: str
) -> None:
    settings = load_settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers},
        topics={"prefix": topic_prefix, "user_partitions": 2, "item_partitions": 2},
    )
    create_topics(settings)
    with FreshetClient(kafka.bootstrap_servers, topic_prefix) as client:
        client.publish(feature_records(settings, feature_messages(dataset, settings)))
        client.publish(event_records(settings, dataset.events()))
        found, expected = topics_data(settings), interaction_data(dataset, settings)
        assert (found.data.users, found.data.items) == (expected.data.users, expected.data.items) == (6, 12)
        assert len(found.data.pairs) == len(expected.data.pairs) > 0
        assert _times(found) == _times(expected)
        for modality, rows in expected.data.features.items():
            assert sorted(found.data.features[modality].tolist()) == sorted(rows.tolist())
        client.publish([erasure_record(settings, "u-0", datetime.now(UTC))])
        assert topics_data(settings).data.users == 5


def test_topics_without_items_say_so(
    kafka: KafkaServer, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", topic_prefix]
    assert run(["topics", "create", *flags]) == 0
    assert run(["evaluate", "prequential", "--from-topics", *flags]) == 2
    assert "holds no item: publish a catalogue first" in capsys.readouterr().err


def _times(of: OfflineData) -> list[int]:
    assert of.data.times_ms is not None
    return sorted(of.data.times_ms.tolist())


def _event(line: dict[str, Any]) -> Event:
    return decode_value(json.dumps(line).encode(), Event)


def _report(path: Path, *arguments: str) -> dict[str, Any]:
    command = ["evaluate", "prequential", "--ranker", "base", "--json", str(path), *arguments]
    assert run(command) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _comparable(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in (*TIMED, *ORIGIN)}
