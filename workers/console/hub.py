"""Who follows what: messages for browsers, in queues that are bounded. A slow browser loses its stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from streams.errors import FreshetError

HEARTBEAT_S = 15.0

_encoder = msgspec.json.Encoder()


class TooManyStreamsError(FreshetError):
    """As many pages follow as are allowed."""


def user_channel(user_id: str) -> str:
    """What concerns one person."""
    return f"user:{user_id}"


class Subscription:
    """What one browser is to be sent."""

    def __init__(self, channels: frozenset[str], max_messages: int) -> None:
        self.channels = channels
        self.is_dropped = False
        self._max_messages = max_messages
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Send a message after those that wait; where too many wait, the stream is dropped."""
        if self.is_dropped:
            return
        if len(self._waiting) >= self._max_messages:
            self.is_dropped = True
            self._waiting.clear()
        else:
            self._waiting.append(message)
        self._wake.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """What is to be sent, with a comment now and then that keeps the connection; ends where dropped."""
        while not self.is_dropped:
            while self._waiting:
                yield self._waiting.popleft()
            self._wake.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                yield b": still here\n\n"


class Hub:
    """Hands messages to the subscriptions of their channel. Never waits for any of them.

    Args:
        max_streams: Subscriptions at a time.
        max_messages: Messages that wait for one.
    """

    def __init__(self, max_streams: int, max_messages: int) -> None:
        self._max_streams = max_streams
        self._max_messages = max_messages
        self._subscriptions: set[Subscription] = set()
        self.dropped_streams = 0
        """Streams that were too slow."""

    @contextmanager
    def subscribed(self, channels: Collection[str]) -> Iterator[Subscription]:
        """Follow channels.

        Raises:
            TooManyStreamsError: No more can be followed now.
        """
        if len(self._subscriptions) >= self._max_streams:
            raise TooManyStreamsError(
                f"{self._max_streams} pages follow already: close one, or raise `console.max_streams`"
            )
        subscription = Subscription(frozenset(channels), self._max_messages)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self.dropped_streams += subscription.is_dropped

    def has_followers(self, channel: str) -> bool:
        """Whether anybody follows."""
        return any(channel in one.channels for one in self._subscriptions)

    def greet(self, subscription: Subscription, kind: str, data: Any) -> None:
        """Send something to one alone."""
        subscription.put(sse(kind, data))

    def publish(self, channel: str, kind: str, data: Any) -> None:
        """Send ``data`` as JSON, as a server-sent event of that kind, to all who follow the channel."""
        followers = [one for one in self._subscriptions if channel in one.channels]
        if followers:
            message = sse(kind, data)
            for one in followers:
                one.put(message)


def sse(kind: str, data: Any) -> bytes:
    """A server-sent event. JSON holds no line breaks, so one `data` line does."""
    return b"event: " + kind.encode() + b"\ndata: " + _encoder.encode(data) + b"\n\n"
