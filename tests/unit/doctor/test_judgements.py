"""What the doctor makes of what it sees."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest
from pydantic import SecretStr

from streams.cluster import GroupFacts
from streams.privacy_settings import PrivacySettings
from streams.settings import Settings, WorkerSettings
from workers.doctor.kafka import MUCH_LAG, judge_group
from workers.doctor.privacy import check_privacy
from workers.doctor.redis import judge_redis
from workers.doctor.versions import check_versions

GOOD = {"redis_version": "7.0", "used_memory_human": "2M", "maxmemory_policy": "noeviction", "aof_enabled": 1}


def statuses(**changes: Any) -> list[str]:
    return [check.status for check in judge_redis(GOOD | changes)]


def test_a_redis_that_keeps_its_data_is_fine() -> None:
    assert statuses() == ["ok", "ok"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "fail", "maxmemory-policy noeviction"),
        ({"aof_enabled": 0}, "warn", "appendonly yes"),
        ({"maxmemory": 100, "used_memory": 95}, "warn", "maxmemory"),
        ({"cluster_enabled": 1}, "fail", "no cluster"),
    ],
)
def test_a_redis_that_may_lose_data_is_told_what_to_do(
    changes: dict[str, Any], status: str, words: str
) -> None:
    (check,) = [check for check in judge_redis(GOOD | changes) if check.status != "ok"]
    assert check.status == status
    assert words in check.advice


def group(members: int, state: str = "Stable") -> GroupFacts:
    return GroupFacts("freshet.text", state, members, {})


@pytest.mark.parametrize(
    ("facts", "lag", "status"),
    [
        (None, 0, "warn"),
        (group(0, "Empty"), 5, "warn"),
        (group(1), MUCH_LAG, "ok"),
        (group(1), MUCH_LAG + 1, "warn"),
        (group(2, "PreparingRebalance"), MUCH_LAG + 1, "ok"),
    ],
)
def test_roles(facts: GroupFacts | None, lag: int, status: str) -> None:
    check = judge_group("text", facts, lag)
    assert check.status == status
    assert ("freshet worker text" in check.advice) == (status == "warn")


def test_versions_against_what_the_package_asks_for() -> None:
    installed = {"right": "2.1", "old": "0.9"}

    def version_of(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    wanted = ["right>=2,<3", "old>=1", "gone>=1", 'optional>=1; extra == "local"']
    checks = list(check_versions(wanted, version_of))
    assert [(check.status, check.advice) for check in checks[:-1]] == [
        ("fail", "run `pip install 'old>=1'`"),
        ("fail", "run `pip install 'gone>=1'`"),
    ]
    assert checks[-1].status == "ok"
    assert "right 2.1" in checks[-1].found


def test_this_environment_has_what_the_package_asks_for() -> None:
    assert [check for check in check_versions() if check.status != "ok"] == []


def test_what_settings_leave_open_is_warned_of() -> None:
    assert [one.status for one in check_privacy(Settings())] == ["warn", "ok"]
    closed = Settings(
        privacy=PrivacySettings(hash_key=SecretStr("key")),
        worker=WorkerSettings(metrics_host="0.0.0.0"),
    )
    assert [one.status for one in check_privacy(closed)] == ["ok", "warn"]
    assert not [one for one in check_privacy(closed) if "key" in one.found.split()]
