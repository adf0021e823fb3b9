"""A role that reads several topics, each with a part of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streams.driver import Delivery, Finish, Processor


class ByTopic:
    """Hands each record to the part of its topic, in the order of the parts.

    Args:
        parts: Full name of a topic → its part.
    """

    def __init__(self, parts: Mapping[str, Processor]) -> None:
        self._parts = parts

    async def start(self) -> None:
        """Start all parts."""
        for part in self._parts.values():
            await part.start()

    async def stop(self) -> None:
        """Stop all parts."""
        for part in self._parts.values():
            await part.stop()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """See `Processor.process`."""
        for topic, part in self._parts.items():
            own = [delivery for delivery in deliveries if delivery.record.topic == topic]
            if own:
                await part.process(own)

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        """See `OverlappingProcessor`: where all are of one topic, and its part can."""
        topics = {delivery.record.topic for delivery in deliveries}
        if len(topics) > 1:
            return None
        begin = getattr(self._parts.get(topics.pop()), "begin", None)
        return None if begin is None else await begin(deliveries)
