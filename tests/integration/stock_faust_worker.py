"""The worker of `driver_worker` on stock Faust: records finished in random order, then acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys

import faust


def main() -> None:
    config = json.loads(sys.argv[1])
    effects = os.open(config["effects"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    app = faust.App(
        config["prefix"] + config["role"],
        broker=f"kafka://{config['bootstrap_servers']}",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_commit_interval=0.2,
        broker_session_timeout=3,
        broker_heartbeat_interval=0.5,
        datadir=os.path.dirname(config["effects"]),  # noqa: PTH120
    )
    source = app.topic(config["topic"], key_serializer="raw", value_serializer="raw")
    held: list[faust.EventT] = []

    @app.agent(source)
    async def hold(stream: faust.StreamT) -> None:
        async for event in stream.noack().events():
            held.append(event)
            while len(held) > config["hold"]:
                await asyncio.sleep(0.005)

    @app.task
    async def finish() -> None:
        while True:
            if held:
                event = held.pop(random.randrange(len(held)))
                line = b"%d %d %s\n" % (event.message.partition, event.message.offset, event.value)
                os.write(effects, line)
                event.ack()
            await asyncio.sleep(config["delay_s"])

    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
