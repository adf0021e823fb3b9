"""`freshet worker`: one role in this process, or several as child processes."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import Invocation, invocation
from workers.cli.output import note
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.exit_codes import OK
from workers.roles import ROLES, Role

if TYPE_CHECKING:
    from streams.settings import Settings

# Beyond what the role itself allows for its work in hand; then it is cancelled, and its records come again.
CANCEL_AFTER_S = 5.0


@click.command()
@click.argument("roles", metavar="ROLE…", nargs=-1, required=True, type=click.Choice(ROLES))
def worker(roles: tuple[Role, ...]) -> int:
    """Run roles against the Kafka and Redis of the settings, until Ctrl-C or SIGTERM.

    ROLE is text, image, audio, video, fuse, profile or recommend. One role runs in this process; several run
    as child processes, which are started again when they die and end with this one. Start a role on more
    machines, or twice, and they share its partitions.
    """
    given = invocation()
    settings = given.settings()
    if len(roles) == 1:
        asyncio.run(_run_one(roles[0], settings))
        return OK
    return _run_several(roles, given, settings)


async def _run_one(role: Role, settings: Settings) -> None:
    from streams.logging_setup import configure_logging
    from workers.child_process import announce_port
    from workers.composition import run_role

    configure_logging(settings.worker.log_format, settings.worker.log_level, role=role)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(run_role(role, settings, stop, announce_port))

    def ask_to_stop() -> None:
        if stop.is_set():
            running.cancel()
        stop.set()
        loop.call_later(settings.worker.shutdown_timeout_s + CANCEL_AFTER_S, running.cancel)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ask_to_stop)
    try:
        await running
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


def _run_several(roles: tuple[Role, ...], given: Invocation, settings: Settings) -> int:
    from workers.supervisor import Supervisor

    try:
        with (
            stop_on_signals(),
            Supervisor(
                flags=given.flags,
                config=given.config,
                say=note,
                metrics_port=settings.worker.metrics_port,
            ) as supervisor,
        ):
            for role in roles:
                supervisor.start(role)
            while True:
                supervisor.poll()
                time.sleep(0.2)
    except StopAsked:
        return OK
