"""A worker for the driver's tests: finishes records in random order, each written to a file before `done`."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence

from streams.driver import Delivery, RoleRunner
from tests.integration.driver_helpers import SHORT_SESSION_S, no_poison, settings_for


class OutOfOrder:
    """Keeps up to ``hold`` records and finishes random ones of them, ``delay_s`` apart."""

    def __init__(self, effects: str, hold: int, delay_s: float) -> None:
        self._file = os.open(effects, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._hold = hold
        self._delay_s = delay_s
        self._held: list[Delivery] = []

    async def start(self) -> None:
        self._finisher = asyncio.create_task(self._finish())

    async def stop(self) -> None:
        self._finisher.cancel()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self._held.extend(deliveries)
        while len(self._held) > self._hold:
            await asyncio.sleep(0.005)

    async def _finish(self) -> None:
        while True:
            if self._held:
                delivery = self._held.pop(random.randrange(len(self._held)))
                record = delivery.record
                line = b"%d %d %s\n" % (record.partition, record.offset, record.value)
                os.write(self._file, line)
                delivery.done()
            await asyncio.sleep(self._delay_s)


async def main() -> None:
    config = json.loads(sys.argv[1])
    runner = RoleRunner(
        settings_for(
            config["bootstrap_servers"],
            config["prefix"],
            session_timeout_s=SHORT_SESSION_S,
            max_poll_interval_s=config.get("max_poll_interval_s", 300.0),
        ),
        config["role"],
        [config["topic"]],
        OutOfOrder(config["effects"], config["hold"], config["delay_s"]),
        on_poison=no_poison,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.stop)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
