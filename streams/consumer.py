"""aiokafka's consumer, but for its end."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that can be stopped at any time, by anybody.

    aiokafka awaits the fetches that it cancels. One that waits after a failure of Kafka ends as cancelled,
    and so does then who has called `stop`: a task that would have gone on with another consumer is no more,
    without a word, and the connections stay open.
    """

    async def stop(self) -> None:
        """Leave the group and close the connections."""
        stopping: asyncio.Task[Any] = asyncio.ensure_future(super().stop())
        try:
            await asyncio.wait([stopping])
        finally:
            # Also after a fetch that ended with an error, which ends aiokafka's own stop before this.
            await self._client.close()
        if not stopping.cancelled():
            stopping.result()
