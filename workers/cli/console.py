"""`freshet console`: the web page."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import invocation
from workers.cli.output import note
from workers.exit_codes import OK
from workers.flags import flag

if TYPE_CHECKING:
    from streams.settings import Settings


NICENESS = 10


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Where it listens (default: 8787; 0: a free one)."
)
@click.option("--host", help="The address to bind (default: loopback; beyond, a token is asked for).")
def console(port: int | None, host: str | None) -> int:
    """Serve the web page: try it, watch the flow, see the map, upload items, compare experiments.

    It reads the topics beside everybody else and may be started and stopped at any time. Standard output
    has its address and then `ready`; it ends on Ctrl-C.
    """
    from streams.topic_admin import require_topic
    from streams.topic_names import TopicNames

    given = invocation()
    for name, value in (("console.port", port), ("console.host", host)):
        if value is not None:
            given.add(flag(name, value))
    settings = given.settings()
    require_extra()
    # Once it runs it waits for a Kafka that is away; one that was never there is a mistake to be told.
    require_topic(settings.kafka, TopicNames(settings.topics.prefix).recommendations)
    asyncio.run(_serve(settings))
    note("stopped")
    return OK


def require_extra() -> None:
    """Make sure that what the page is served by is installed.

    Raises:
        ConfigurationError: It is not.
    """
    from streams.errors import ConfigurationError

    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise ConfigurationError("the console needs the extra `console`: pip install 'freshet[console]'")


async def _serve(settings: Settings) -> None:
    from workers.background import step_back
    from workers.child_process import announce_port
    from workers.console.serve import serve
    from workers.data_folder import default_data_folder
    from workers.workers_file import FILE_NAME

    # Where workers share the machine, they come first.
    step_back(NICENESS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)

    def ready(port: int, address: str) -> None:
        announce_port(port)
        click.echo(f"console {address}")
        click.echo("ready")

    await serve(settings, stop, ready, default_data_folder() / FILE_NAME)
