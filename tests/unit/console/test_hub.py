"""Messages for browsers: bounded queues, slow ones dropped, nobody waited for."""

from __future__ import annotations

import asyncio

import pytest

from workers.console.hub import Hub, Subscription, TooManyStreamsError


async def next_of(subscription: Subscription) -> bytes:
    async with asyncio.timeout(60):
        return await anext(subscription.messages())


async def test_followers_of_a_channel_get_its_messages_in_order() -> None:
    hub = Hub(4, 16)
    with hub.subscribed(["flow"]) as flow, hub.subscribed(["user:a"]) as person:
        hub.publish("flow", "flow", {"n": 1})
        hub.publish("flow", "flow", {"n": 2})
        hub.publish("user:a", "list", {"text": "a\nb</script>"})
        assert await next_of(flow) == b'event: flow\ndata: {"n":1}\n\n'
        assert await next_of(flow) == b'event: flow\ndata: {"n":2}\n\n'
        message = await next_of(person)
        assert message == b'event: list\ndata: {"text":"a\\nb</script>"}\n\n'
    assert not hub.has_followers("flow")


async def test_a_slow_browser_is_dropped_and_the_others_go_on() -> None:
    hub = Hub(4, 16)
    with hub.subscribed(["flow"]) as slow, hub.subscribed(["flow"]) as quick:
        for number in range(100):
            hub.publish("flow", "flow", number)
            assert str(number).encode() in await next_of(quick)
        assert slow.is_dropped
        assert [message async for message in slow.messages()] == []
        assert not quick.is_dropped
    assert hub.dropped_streams == 1


async def test_what_waits_for_a_browser_is_bounded() -> None:
    subscription = Subscription(frozenset({"flow"}), 16)
    for number in range(16):
        subscription.put(b"%d" % number)
    assert not subscription.is_dropped
    subscription.put(b"one too many")
    assert subscription.is_dropped


def test_streams_are_counted_and_given_back() -> None:
    hub = Hub(2, 16)
    for _ in range(3):
        with hub.subscribed(["flow"]), hub.subscribed(["flow"]), pytest.raises(TooManyStreamsError):
            hub.subscribed(["flow"]).__enter__()
