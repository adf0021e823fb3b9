"""`freshet evaluate outcomes` and `off-policy` on topics with known lists and outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from models.evaluation.intervals import proportion
from streams.client import FreshetClient
from streams.codec import outgoing
from streams.errors import InvalidError
from streams.messages import Cause, Outcome, Reason, Recommendation, RecommendedItem
from streams.settings import KafkaSettings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from workers.cli.evaluate_off_policy import off_policy
from workers.cli.evaluate_outcomes import outcomes
from workers.cli.invocation import Invocation, add_common_options

NOW = datetime.now(UTC)
PEOPLE = 40
Evaluate = Callable[..., tuple[int, str, str]]


def recommendation(
    person: int, number: int, propensities: list[float | None], arm: str | None = None, model: str = "base"
) -> Recommendation:
    items = [
        RecommendedItem(
            item_id=f"item-{place}",
            score=1.0,
            reasons=[Reason(kind="bias", contribution=1.0)],
            propensity=propensity,
        )
        for place, propensity in enumerate(propensities)
    ]
    return Recommendation(
        recommendation_id=f"l{person}-{number}",
        user_id=f"user-{person}",
        profile_version=1,
        cause=Cause(kind="request", id=f"r{person}-{number}"),
        items=items,
        model=model,
        generated_at=NOW - timedelta(hours=number),
        complete=True,
        experiment=None if arm is None else "diversity",
        arm=arm,
    )


def outcome(of: Recommendation, place: int, action: str = "click", weight: float = 1.0) -> Outcome:
    return Outcome(
        recommendation_id=of.recommendation_id,
        user_id=of.user_id,
        item_id=of.items[place].item_id,
        position=place + 1,
        event_id=f"{of.recommendation_id}/{place}/{action}",
        action=action,
        weight=weight,
        occurred_at=of.generated_at,
        shown_at=of.generated_at,
        model=of.model,
        matched_by="recommendation_id",
        propensity=of.items[place].propensity,
        experiment=of.experiment,
        arm=of.arm,
    )


@pytest.fixture
def evaluate(
    kafka: Any, redis_server: Any, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> Evaluate:
    """Runs one of the commands: exit code, standard output and standard error."""
    settings = load_settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers},
        redis={"url": redis_server.url},
        topics={"prefix": topic_prefix},
    )
    create_topics(settings)

    def run(command: click.Command, *arguments: str) -> tuple[int, str, str]:
        add_common_options(command)
        flags = ("--bootstrap-servers", kafka.bootstrap_servers, "--prefix", topic_prefix)
        capsys.readouterr()
        code = command.main([*arguments, *flags], standalone_mode=False, obj=Invocation())
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    return run


@pytest.fixture
def publish(kafka: Any, topic_prefix: str) -> Callable[[list[Recommendation], list[Outcome]], None]:
    names = TopicNames(topic_prefix)

    def publish(lists: list[Recommendation], found: list[Outcome]) -> None:
        with FreshetClient(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), topic_prefix) as client:
            client.publish(outgoing(names.recommendations, one) for one in lists)
            client.publish(outgoing(names.outcomes, one) for one in found)

    return publish


def experiment() -> tuple[list[Recommendation], list[Outcome]]:
    """Two lists a person; in the arm `diverse` three people of four click one, in `control` one of four."""
    lists, found = [], []
    for person in range(PEOPLE):
        arm = "control" if person % 2 else "diverse"
        own = [recommendation(person, number, [None, None], arm) for number in range(2)]
        lists += own
        clicks = person // 2 % 4 < 3 if arm == "diverse" else person // 2 % 4 < 1
        if clicks:
            found.append(outcome(own[0], 0))
            # Twice on one list: the list counts once.
            found.append(outcome(own[0], 1, "purchase", 3.0))
        found.append(outcome(own[1], 0, "dislike", -2.0))
    return lists, found


def test_outcomes_by_model_and_arm(evaluate: Evaluate, publish: Any) -> None:
    lists, found = experiment()
    stranger = recommendation(0, 99, [None], model="other")
    # What is published again after a crash does not count again, nor do outcomes of lists long gone.
    publish([*lists, *lists[:5], stranger], [*found, *found[:7], outcome(recommendation(1, 77, [None]), 0)])
    code, text, _ = evaluate(outcomes, "--json")
    report = json.loads(text)
    assert code == 0
    assert (report["lists"], report["outcomes"], report["unknown"]) == (2 * PEOPLE + 1, len(found), 1)
    models = {one["name"]: one for one in report["models"]}
    assert models["base"]["lists"] == 2 * PEOPLE
    assert models["base"]["people"] == PEOPLE
    assert models["base"]["click_through"]["value"] == pytest.approx(20 / 80)
    assert models["other"]["click_through"]["value"] == 0.0
    (one,) = report["experiments"]
    assert (one["name"], one["control"]) == ("diversity", "control")
    arms = {arm["name"]: arm for arm in one["arms"]}
    expected = proportion([1.0] * 15 + [0.0] * 5, [2.0] * 20)
    assert arms["diverse"]["click_through"] == pytest.approx(
        {"value": 15 / 40, "low": expected.low, "high": expected.high}
    )
    assert arms["diverse"]["conversion"]["value"] == pytest.approx(15 / 40)
    gap = arms["diverse"]["click_through_difference"]
    assert gap["value"] == pytest.approx(10 / 40)
    assert gap["low"] > 0
    assert arms["control"]["click_through_difference"] is None


def test_outcomes_for_a_person_to_read(evaluate: Evaluate, publish: Any) -> None:
    publish(*experiment())
    code, text, notes = evaluate(outcomes, "--experiment", "diversity")
    assert code == 0
    assert "37.50 % [" in text
    assert "click-through − control" in text
    assert "80 lists" in notes
    assert "fewer than 30 people" in notes
    assert "no lists of the experiment `other`" in evaluate(outcomes, "--experiment", "other")[2]
    # Of half an hour before the newest lists until now: other tests may have run since those were dated.
    hours = (datetime.now(UTC) - NOW) / timedelta(hours=1) + 0.5
    recent = json.loads(evaluate(outcomes, "--hours", f"{hours:.3f}", "--json")[1])
    assert recent["lists"] == PEOPLE


def test_off_policy(evaluate: Evaluate, publish: Any, tmp_path: Path) -> None:
    lists, found = [], []
    for person in range(200):
        # The first place is greedy in half of the lists; people click on what greedy puts there.
        is_greedy = person % 2 == 0
        own = recommendation(person, 0, [0.6 if is_greedy else 0.4, None])
        lists.append(own)
        if is_greedy:
            found.append(outcome(own, 0))
    silent = recommendation(0, 1, [None, None])
    publish([*lists, silent], found)
    code, text, _ = evaluate(off_policy, "--policy", "greedy", "--json")
    report = json.loads(text)
    assert code == 0
    assert (report["lists"], report["without_propensities"], report["items"]) == (200, 1, 400)
    assert report["logged"]["value"] == pytest.approx(100 / 400)
    # Weights 1/0.6 and 0 at the first place, 1 at the second.
    assert report["snips"]["value"] == pytest.approx((100 / 0.6) / (100 / 0.6 + 200))
    assert report["ips"]["value"] == pytest.approx((100 / 0.6) / 400)
    assert report["difference"]["low"] > 0

    file = tmp_path / "policy.jsonl"
    lines = [
        {
            "recommendation_id": one.recommendation_id,
            "item_id": "item-0",
            "probability": 0.6 if greedy else 0.4,
        }
        for one, greedy in zip(lists[:100], [True, False] * 50, strict=True)
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    report = json.loads(evaluate(off_policy, "--policy", str(file), "--json", "--action", "click")[1])
    assert (report["lists"], report["without_target"]) == (100, 100)
    assert report["snips"]["value"] == pytest.approx(0.5)
    code, text, notes = evaluate(off_policy, "--policy", str(file))
    assert code == 0
    assert "self-normalised" in text
    assert "the mean weight is not near 1" in notes


def test_off_policy_without_propensities_or_with_a_bad_file(
    evaluate: Evaluate, publish: Any, tmp_path: Path
) -> None:
    publish([recommendation(0, 0, [None])], [])
    code, _, notes = evaluate(off_policy, "--policy", "greedy")
    assert code == 1
    assert "rerank.exploration" in notes
    file = tmp_path / "policy.jsonl"
    file.write_text('{"recommendation_id":"a","item_id":"b","probability":0.5}\n{"item_id":"b"}\n')
    with pytest.raises(InvalidError, match="line 2"):
        evaluate(off_policy, "--policy", str(file))
    with pytest.raises(InvalidError, match="cannot be read"):
        evaluate(off_policy, "--policy", str(tmp_path / "absent"))
