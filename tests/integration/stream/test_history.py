"""Time and repetition: imports of history are silent, the future is clamped, an event id counts once."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

from tests.integration.stream.bench import event, item_ids
from tests.integration.stream.stack import Stack, contribution

JAZZ = "A saxophone and piano play jazz"
GARDEN = "Tomatoes and roses in the garden"


def ago(**duration: float) -> str:
    return (datetime.now(UTC) - timedelta(**duration)).isoformat()


def publish_catalogue(stack: Stack, tag: str) -> list[str]:
    titles = [f"{JAZZ}, {number}" for number in range(3)] + [f"{GARDEN}, {number}" for number in range(3)]
    found = [f"{tag}-{number}" for number in range(6)]
    for item_id, title in zip(found, titles, strict=True):
        stack.publish_item(item_id, title=title, attributes={"tag": tag})
    stack.await_listed(tag, *found)
    return found


def test_a_history_is_imported_silently(stack: Stack, tag: str) -> None:
    items, user = publish_catalogue(stack, tag), f"{tag}-user"
    for number, item_id in enumerate(items[:2]):
        stack.publish(
            "events", event(user, f"{tag}-old-{number}", item_id, occurred_at=ago(days=3 - number)), user
        )
    answer = stack.ask(user, after_event_id=f"{tag}-old-1", filter={"tag": tag})
    assert answer["profile_version"] == 2
    assert item_ids(answer)[0] == items[2]
    assert not set(items[:2]) & set(item_ids(answer))
    # What happens now gets its list, which knows the history; the imports have had none before it.
    stack.publish("events", event(user, f"{tag}-now", items[3]), user)
    assert stack.answer(f"{tag}-now")["profile_version"] == 3
    causes = [one["cause"]["id"] for one in stack.lists.values(lambda one: one["user_id"] == user)]
    assert not {f"{tag}-old-0", f"{tag}-old-1"} & set(causes)


def test_an_import_among_live_events_hides_no_list(stack: Stack, tag: str) -> None:
    """An old event that arrives in one batch with a new one, and after it."""
    user = f"{tag}-user"
    futures = []
    for number in range(40):
        now = event(user, f"{tag}-now-{number}", f"{tag}-item-{number}")
        old = event(user, f"{tag}-old-{number}", f"{tag}-item-{number}", occurred_at=ago(days=1))
        futures += [stack.stream.publish("events", one, user) for one in (now, old)]
    for future in futures:
        future.get(timeout=120)
    stack.ask(user, after_event_id=f"{tag}-old-39")
    found = stack.lists.wait_for(lambda one: one["user_id"] == user and one["cause"]["id"] == f"{tag}-now-39")
    assert found["profile_version"] >= 79
    causes = [one["cause"] for one in stack.lists.values(lambda one: one["user_id"] == user)]
    assert not [cause for cause in causes if "-old-" in cause["id"] and cause["kind"] == "event"]


def test_an_event_from_the_future_is_clamped(stack: Stack, tag: str) -> None:
    items, user = publish_catalogue(stack, tag), f"{tag}-user"
    clamped = stack.metric("profile", "freshet_event_times_clamped_total")
    future = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    before_ms = datetime.now(UTC).timestamp() * 1_000
    stack.publish("events", event(user, f"{tag}-future", items[0], occurred_at=future), user)
    assert stack.answer(f"{tag}-future")["profile_version"] == 1
    assert stack.metric("profile", "freshet_event_times_clamped_total") == clamped + 1
    (remembered_ms,) = array("q", stack.stream.profile(user).times_ms)
    assert before_ms - 60_000 < remembered_ms < before_ms + 60_000
    # It does not outweigh what follows.
    for number in (3, 4):
        stack.publish("events", event(user, f"{tag}-{number}", items[number], action="like"), user)
    answer = stack.ask(user, after_event_id=f"{tag}-4", filter={"tag": tag})
    assert item_ids(answer)[0] == items[5]


def test_an_event_id_counts_once(stack: Stack, tag: str) -> None:
    user, item_id = f"{tag}-user", f"{tag}-item"
    once = event(user, f"{tag}-twice", item_id)
    for _ in range(3):
        stack.publish("events", once, user)
    # Before anything newer could cover it.
    stack.answer(f"{tag}-twice")
    # Also where its copy says something else, and goes to another partition.
    stack.publish("events", once | {"item_id": f"{tag}-other"})
    stack.publish("events", event(user, f"{tag}-last", item_id), user)
    answer = stack.ask(user, after_event_id=f"{tag}-last")
    stack.stream.await_versions({user: 2})
    assert answer["profile_version"] == 2
    assert stack.stream.profile(user).item_ids == (item_id, item_id)
    # A repeat of the list, where there is one, has the same id: the first counts.
    repeats = stack.lists.values(lambda one: one["cause"]["id"] == f"{tag}-twice")
    assert len({one["recommendation_id"] for one in repeats}) == 1


def test_events_out_of_order_give_the_same_taste(stack: Stack, tag: str) -> None:
    items = publish_catalogue(stack, tag)
    history = [
        (f"{tag}-{number}", items[item], ago(minutes=minutes))
        for number, (item, minutes) in enumerate([(0, 9), (3, 5), (1, 2)])
    ]
    for user, order in ((f"{tag}-in-order", history), (f"{tag}-reversed", history[::-1])):
        for event_id, item_id, occurred_at in order:
            stack.publish("events", event(user, event_id, item_id, occurred_at=occurred_at), user)
    one, other = (
        stack.ask(f"{tag}-{name}", after_event_id=history[last][0], filter={"tag": tag})
        for name, last in (("in-order", -1), ("reversed", 0))
    )
    assert one["profile_version"] == other["profile_version"] == 3
    assert item_ids(one) == item_ids(other) == [items[2], *item_ids(one)[1:]]


def test_an_item_counts_from_the_moment_it_is_known(stack: Stack, tag: str) -> None:
    items, user, unknown = publish_catalogue(stack, tag), f"{tag}-user", f"{tag}-later"
    stack.publish("events", event(user, f"{tag}-click", unknown, action="like"), user)
    before = stack.answer(f"{tag}-click")
    kinds = {reason["kind"] for one in before["items"] for reason in one["reasons"]}
    assert kinds <= {"popularity", "freshness", "bias"}

    stack.publish_item(unknown, title=f"{GARDEN}, later", attributes={"tag": tag})
    stack.await_listed(tag, *items, unknown)
    after = stack.ask(user, filter={"tag": tag})
    assert set(item_ids(after)[:3]) == set(items[3:])
    assert unknown not in item_ids(after)
    assert contribution(after["items"][0], "similar_item", unknown) > 0.5
