"""Runs one role as a process for tests: `python role_process.py ROLE`, settings from the environment."""

from __future__ import annotations

import asyncio
import signal
import sys

from streams.settings import load_settings
from workers.composition import run_role


async def main(role: str) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    await run_role(role, load_settings(), stop, lambda port: print(f"health on {port}", flush=True))  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
