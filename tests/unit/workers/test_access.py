"""Permissions are generated from what topics and roles say, and are no more than that."""

from __future__ import annotations

import shlex

import pytest

from streams.access import CLIENT, CONSOLE, OPERATOR, OTHERS, Grant, kafka_acl_commands, kafka_grants
from streams.topic_names import TopicNames
from streams.topics import ITEM_VECTORS, TOPICS
from workers.roles import ROLES
from workers.state.access import REDIS_USERS, redis_acl_command, redis_rules

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
    assert not {"shop.profiles", "shop.models"} & grants.keys()
    assert {one.kind for one in kafka_grants(CLIENT, NAMES, "v1")} == {"topic"}


def test_an_operator_looks_at_all_and_writes_what_you_may_write() -> None:
    grants = kafka_grants(OPERATOR, NAMES, "v1")
    written = {one.name for one in grants if "Write" in one.operations}
    assert written == {f"shop.{topic.name}" for topic in TOPICS if "you" in topic.written_by}
    assert Grant("topic", "shop.", ("Read", "Create", "DescribeConfigs"), prefixed=True) in grants
    assert not any({"Delete", "Alter", "All"} & {*one.operations} for one in grants)


def test_a_console_reads_what_it_shows_and_writes_what_is_tried() -> None:
    grants = kafka_grants(CONSOLE, NAMES, "v1")
    written = {one.name for one in grants if "Write" in one.operations}
    assert written == {"shop.items", "shop.events", "shop.recommendation-requests"}
    read = {one.name for one in grants if "Read" in one.operations}
    assert not {"shop.erasures", "shop.erasure-receipts", "shop.outcomes", "shop.learned", "shop."} & read


def test_without_a_prefix_it_is_all_that_there_is() -> None:
    for who in (OPERATOR, CONSOLE):
        every = [one for one in kafka_grants(who, TopicNames(""), "v1") if one.name == "*"]
        assert {(one.kind, one.prefixed) for one in every} == {("topic", False), ("group", False)}


def test_who_is_no_role_has_no_group_and_does_without_redis_but_for_the_operator() -> None:
    for who in OTHERS:
        assert not [
            one for one in kafka_grants(who, NAMES, "v1") if one.kind == "group" and "Read" in one.operations
        ]
    assert {*REDIS_USERS} == {*ROLES, OPERATOR}
    rules = redis_rules(OPERATOR, "shop.")
    assert not {"+set", "+del", "+hset", "+zadd", "+eval", "+evalsha"} & {*rules}


@pytest.mark.parametrize("role", REDIS_USERS)
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
