"""The checks of a report, and its tables."""

import dataclasses
import io

import msgspec
import pytest
from rich.console import Console

from deploy.demo.catalogue import load_catalogue
from tests.unit.demo.journals import event, received
from workers.demo.journal import Journal
from workers.demo.metrics import Account, Arrival, TastePrecision
from workers.demo.people import crowd
from workers.demo.report import Latency, Outage, Report, latency
from workers.demo.show import Show
from workers.demo.summary import print_summary

GOOD = Report(
    people=2,
    items=3,
    lists=4,
    precision=(TastePrecision("cats", 5, 0.6, 0.1),),
    arrivals=(Arrival("cat-1", "image", 0.4), Arrival("cat-2", "audio", 4.9)),
    latency=Latency(10, 5.0, 9.0, 20.0, 4_000.0),
    latency_without_outage=Latency(8, 5.0, 8.0, 12.0, 13.0),
    outage=Outage("profile", 4.2),
    account=Account(10, 10, 1, ()),
    unanswered=0,
    dead_letters=(),
    memory_bytes={"Kafka": 300 << 20, "text": 100 << 20},
    acting_s=36.0,
)


def test_all_checks_of_a_good_report_hold() -> None:
    assert GOOD.passed
    assert len(GOOD.checks) == 5


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"precision": (TastePrecision("cats", 5, 0.29, 0.1),)}, "precision@10, cats"),
        ({"precision": (TastePrecision("cats", 0, float("nan"), float("nan")),)}, "precision@10, cats"),
        ({"arrivals": (Arrival("cat-1", "image", 5.1),)}, "new item cat-1 (image)"),
        ({"arrivals": (Arrival("cat-1", "image", None),)}, "new item cat-1 (image)"),
        ({"account": Account(10, 10, 0, ("ana", "ben"))}, "events accounted for"),
        ({"account": Account(0, 0, 0, ())}, "events accounted for"),
        ({"dead_letters": ("image, a: media_unreadable: broken",)}, "nothing was refused"),
    ],
)
def test_each_check_can_fail_alone(change: dict[str, object], failing: str) -> None:
    report = dataclasses.replace(GOOD, **change)
    assert [check.name for check in report.checks if not check.passed] == [failing]
    assert not report.passed


def _printed(report: Report) -> str:
    out = io.StringIO()
    print_summary(Console(file=out, width=200), report)
    return out.getvalue()


def test_the_summary_shows_every_figure_and_mark() -> None:
    text = _printed(GOOD)
    for words in (
        "p50 5 ms, p95 9 ms, p99 20 ms",
        "0.60, random 0.10: 6.0 times",
        "10 of 10 applied, 1 sent twice",
        "400 MiB: Kafka 300, text 100",
        "the next list followed after 4.2 s",
        "all 5 checks hold",
    ):
        assert words in text
    assert "FAIL" not in text


def test_a_failed_check_is_marked() -> None:
    text = _printed(dataclasses.replace(GOOD, arrivals=(Arrival("cat-1", "image", None),)))
    assert "FAIL" in text
    assert "in no list" in text
    assert "1 of 4 checks failed" in text


def test_the_report_is_json() -> None:
    decoded = msgspec.json.decode(msgspec.json.encode({"checks": GOOD.checks, "report": GOOD}))
    assert decoded["checks"][0]["passed"] is True
    assert decoded["report"]["latency"]["p99_ms"] == 20.0


def test_latency_in_milliseconds() -> None:
    found = latency([0.001 * n for n in range(1, 101)])
    assert [round(one) for one in (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms)] == [
        50,
        95,
        99,
        100,
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lists_are_shown_as_they_change(is_terminal: bool) -> None:
    catalogue, journal, people = load_catalogue(), Journal(), crowd(1)
    out = io.StringIO()
    show = Show(Console(file=out, width=200, force_terminal=is_terminal))
    person = people[0]
    with show.people(people, catalogue):
        journal.event_published(event(person.user_id, 1), 1.0)
        received(journal, person.user_id, 1, 1.05, "shoes-01", "skirt-01", "shoes-dog-bark-06")
        show.update(journal)
    text = out.getvalue()
    assert "✓ shoes-01" in text
    assert "· skirt-01" in text
    assert "✓★ shoes-dog-bark-06" in text
    assert person.taste.name in text
    if is_terminal:
        assert "50 ms" in text
