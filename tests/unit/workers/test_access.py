"""Permissions are generated from what topics and roles say, and are no more than that."""

from __future__ import annotations

import shlex

import pytest

from streams.access import CLIENT, kafka_acl_commands, kafka_grants
from streams.topic_names import TopicNames
from streams.topics import ITEM_VECTORS, TOPICS
from workers.roles import ROLES
from workers.state.access import redis_acl_command, redis_rules

NAMES = TopicNames("shop.")
DANGEROUS = ("keys", "scan", "flushall", "flushdb", "config", "acl", "shutdown", "monitor", "debug", "all")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_read_what_it_reads_and_write_what_it_writes(role: str) -> None:
    topics = {one.name: one for one in kafka_grants(role, NAMES, "v1") if one.kind == "topic"}
    for topic in TOPICS:
        name = "shop.item-vectors." if topic is ITEM_VECTORS else NAMES.of(topic)
        operations = topics[name].operations if name in topics else ()
        assert ("Write" in operations) == (role in topic.written_by or topic.name == "dead-letters"), name
        if role in topic.read_by:
            assert "Read" in operations, name
        elif not (role == "profile" and topic.name == "profiles"):
            assert "Read" not in operations, name
    (group,) = (one for one in kafka_grants(role, NAMES, "v1") if one.kind == "group")
    assert group.operations == ("Read",)
    assert group.name.startswith(f"shop.{role}")
    # A model that comes later makes topics and groups of its own.
    spaces = [one.name for one in kafka_grants(role, NAMES, "v1") if one.prefixed]
    assert set(spaces) <= {"shop.item-vectors.", "shop.fuse."}


def test_a_client_publishes_and_reads_and_has_no_group() -> None:
    grants = {one.name: one.operations for one in kafka_grants(CLIENT, NAMES, "v1")}
    assert grants["shop.events"] == ("Write",)
    assert grants["shop.recommendations"] == ("Read",)
    assert "shop.profiles" not in grants
    assert {one.kind for one in kafka_grants(CLIENT, NAMES, "v1")} == {"topic"}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_what_is_dangerous_or_touch_keys_of_others(role: str) -> None:
    rules = redis_rules(role, "shop.")
    assert rules[:3] == ["resetkeys", "resetchannels", "-@all"]
    assert all(rule.startswith("~shop.") for rule in rules if rule.startswith("~"))
    assert not {f"+{one}" for one in DANGEROUS} & {*rules}
    assert not [rule for rule in rules if rule.startswith("+@")]


def test_commands_are_quoted_for_the_shell() -> None:
    for command in kafka_acl_commands("fuse", "User:odd name", NAMES, "v1"):
        words = shlex.split(command)
        assert words[words.index("--allow-principal") + 1] == "User:odd name"
        assert ("prefixed" in words) == (words[-3].startswith("shop.fuse.") or "item-vectors" in command)
    words = shlex.split(redis_acl_command("learn", "freshet-learn", "shop."))
    assert words[:6] == ["redis-cli", "ACL", "SETUSER", "freshet-learn", "reset", "on"]
    assert words[6] == ">$PASSWORD"
    assert "~shop.holders" in words
