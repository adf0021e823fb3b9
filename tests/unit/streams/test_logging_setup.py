"""Logs: one line an event, with who wrote it, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from streams.logging_setup import LibraryRepeats, configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_name_role_and_process_in_every_thread() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", role="fuse", stream=stream)
    thread = threading.Thread(target=lambda: structlog.get_logger("a.b").warning("hello", items=3))
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "hello",
        "level": "warning",
        "logger": "a.b",
        "items": 3,
        "role": "fuse",
        "pid": os.getpid(),
    }


def test_levels_of_ours_and_of_libraries() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream=stream)
    structlog.get_logger("streams.x").debug("unseen")
    structlog.get_logger("streams.x").info("seen")
    logging.getLogger("aiokafka.consumer").info("unseen")
    logging.getLogger("aiokafka.consumer").warning("library %s", "warns")
    assert [line["event"] for line in lines(stream)] == ["seen", "library warns"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_not_written(log_format: Any) -> None:
    stream = io.StringIO()
    configure_logging(log_format, "info", stream=stream)
    log = structlog.get_logger("x")
    log.info("to redis://ann:hunter2@host:1/0", sasl_password="hunter2", key=SecretStr("hunter2"))
    log.info("nested", settings={"password": "hunter2", "urls": ["rediss://:hunter2@h/0"]})
    try:
        raise ValueError("cannot reach redis://:hunter2@host")
    except ValueError:
        log.exception("failed")
    logging.getLogger("kafka").error("no answer from redis://x:hunter2@y")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "@host" in text
    assert "cannot reach" in text


def test_console_without_a_terminal_has_no_colour() -> None:
    stream = io.StringIO()
    configure_logging("console", "info", stream=stream)
    structlog.get_logger("x").error("plain", a=1)
    assert "\x1b" not in stream.getvalue()


def test_what_kafkas_clients_repeat_is_written_once_in_ten_seconds_with_its_count() -> None:
    now = [100.0]
    limit = LibraryRepeats(lambda: now[0])

    def written(name: str, text: str, *values: object) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, values, None)
        return record.getMessage() if limit.filter(record) else None

    refused = ("aiokafka", "Unable to connect to %s: %s", "127.0.0.1", "refused")
    assert [written(*refused) for _ in range(80)] == ["Unable to connect to 127.0.0.1: refused", *[None] * 79]
    assert written("aiokafka", "another kind") == "another kind"
    assert [written("workers.backoff", "dependency down") for _ in range(2)] == ["dependency down"] * 2
    now[0] += 10.0
    again = "Unable to connect to 127.0.0.1: refused (and 79 more of this kind since the last)"
    assert [written(*refused), written(*refused)] == [again, None]


def test_kinds_that_are_remembered_are_bounded() -> None:
    limit = LibraryRepeats(lambda: 0.0)
    for number in range(1_000):
        limit.filter(logging.LogRecord("kafka", logging.ERROR, "", 0, f"node {number}", (), None))
    assert len(limit._kinds) == 200


def test_the_limit_is_part_of_the_set_up() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream=stream)
    for number in range(5):
        logging.getLogger("aiokafka.conn").error("Failed to fetch %s", number)
    assert [one["event"] for one in lines(stream)] == ["Failed to fetch 0"]
