"""A rolling upgrade under load, and the way back: releases share topics and Redis, and the books balance."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.faults.run import LIVENESS_LIMIT_S, FaultRun, Report

# In the order in which messages flow: for a while each role reads what a later release has written.
ROLES = ["text", "fuse", "profile", "profile", "recommend", "join"]
EVENTS, EVENTS_PER_S = 4_500, 100.0
WRITTEN = (
    *("item-features", "item-vectors", "profiles", "recommendations", "outcomes"),
    *("profile in Redis", "item in Redis", "exposures in Redis"),
)

pytestmark = pytest.mark.timeout(1_800)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    found = FaultRun(
        folder,
        seed=2,
        roles=ROLES,
        spare=[],
        events=EVENTS,
        events_per_s=EVENTS_PER_S,
        grave=["rolling upgrade", "rolling downgrade"],
        light=0,
        light_every_s=1.0,
        # Nothing kills it, and a log that says that it was away for a moment would say of a fault.
        kafka_config={"broker.session.timeout.ms": "60000"},
        say=print,
    ).run()
    # Shown where a test fails.
    print(json.dumps(found.as_json(), indent=1))
    return found


def test_every_worker_was_replaced_and_replaced_again(report: Report) -> None:
    assert len(report.felt) == 2 * len(ROLES)
    assert report.not_within(LIVENESS_LIMIT_S) == []


def test_withdrawn_items_leave_lists(report: Report) -> None:
    (check,) = (one for one in report.checks if one.name == "no list made at the end holds a withdrawn item")
    assert check.figures["withdrawn"] > 0
    assert report.longest_listed_s <= LIVENESS_LIMIT_S


def test_every_event_has_its_effect_once(report: Report) -> None:
    assert [check for check in report.checks if not check.holds] == []
    assert {check.name for check in report.checks} >= {"every profile is as recomputed"}


def test_both_releases_wrote_everything(report: Report) -> None:
    (check,) = (one for one in report.checks if one.name == "both releases have written")
    found = check.figures["of_this_release_and_the_next"]
    of_both = [place for place, counts in found.items() if all(counts)]
    assert [name for name in WRITTEN if not any(name in place for place in of_both)] == [], found


def test_nothing_was_refused_and_nothing_failed(report: Report, folder: Path) -> None:
    assert report.checks
    logs = {path: path.read_text("utf-8", "replace") for path in (folder / "slots").rglob("*.log")}
    assert len(logs) == len(ROLES)
    wrong = {
        path.name: line
        for path, text in logs.items()
        for line in text.splitlines()
        if re.search(r"Traceback|defect|cannot be (read|taken)", line)
    }
    assert wrong == {}
