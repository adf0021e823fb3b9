"""`freshet up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.console import require_extra
from workers.cli.invocation import invocation
from workers.cli.output import console, note, table
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.data_folder import default_data_folder
from workers.exit_codes import INTERRUPTED, OK

if TYPE_CHECKING:
    from workers.local_deployment import LocalDeployment

# Where clients look by themselves: taken if nobody else has them.
USUAL_KAFKA_PORT = 9092
USUAL_REDIS_PORT = 6379
_PORT = click.IntRange(1, 65_535)


@click.command()
@click.option("--kafka-port", type=_PORT, help="Of the embedded Kafka (default: 9092, or a free one).")
@click.option("--redis-port", type=_PORT, help="Of the embedded Redis (default: 6379, or a free one).")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data of Kafka and Redis, and logs; reused by the next start (default: ~/.local/share/freshet).",
)
@click.option(
    "--scale", multiple=True, metavar="ROLE=N", help="So many workers of a role, for example recommend=2."
)
@click.option("--console", "with_console", is_flag=True, help="Serve the web page as well.")
@click.option("-v", "--verbose", is_flag=True, help="Show the workers' logs here, not in files.")
def up(
    kafka_port: int | None,
    redis_port: int | None,
    data_dir: Path | None,
    scale: tuple[str, ...],
    with_console: bool,
    verbose: bool,
) -> int:
    """Start Kafka, Redis and every role on this machine, and stop it all on Ctrl-C.

    A Kafka or Redis that the settings name (--bootstrap-servers, --redis-url) is used instead of an
    embedded one. Standard output has the addresses and then `ready` on a line of its own.
    """
    from workers.local_deployment import LocalDeployment

    given = invocation()
    settings = given.settings()
    if with_console:
        require_extra()
    embed_kafka = "bootstrap_servers" not in settings.kafka.model_fields_set
    embed_redis = "url" not in settings.redis.model_fields_set
    for name, port, embedded in (("kafka", kafka_port, embed_kafka), ("redis", redis_port, embed_redis)):
        if port is not None and not embedded:
            raise click.UsageError(f"--{name}-port is for an embedded server, but the settings name one.")
    deployment = LocalDeployment(
        flags=given.flags,
        config=given.config,
        data_folder=(data_dir or default_data_folder()).expanduser().absolute(),
        embed_kafka=embed_kafka,
        embed_redis=embed_redis,
        kafka_port=kafka_port if kafka_port or not embed_kafka else _if_free(USUAL_KAFKA_PORT),
        redis_port=redis_port if redis_port or not embed_redis else _if_free(USUAL_REDIS_PORT),
        workers=_workers(scale),
        console=with_console,
        logs_to_files=not verbose,
        say=note,
    )
    is_ready = False
    try:
        with stop_on_signals(), deployment:
            _show_addresses(deployment)
            click.echo("ready")
            is_ready = True
            while True:
                deployment.poll()
                time.sleep(0.2)
    except StopAsked:
        note("stopped")
        return OK if is_ready else INTERRUPTED


def _if_free(port: int) -> int | None:
    from deploy.embedded.ports import is_free

    return port if is_free(port) else None


def _workers(scale: tuple[str, ...]) -> dict[str, int]:
    from workers.roles import ROLES

    counts = {str(role): 1 for role in ROLES}
    for text in scale:
        role, _, count = text.partition("=")
        if role not in counts or not count.isdecimal() or int(count) < 1:
            raise click.UsageError(f"--scale {text}: write ROLE=N; roles are {', '.join(ROLES)}.")
        counts[role] = int(count)
    return counts


def _show_addresses(deployment: LocalDeployment) -> None:
    from streams.logging_setup import redacted

    settings = deployment.settings
    kafka, redis = settings.kafka.bootstrap_servers, settings.redis.url.get_secret_value()
    rows: list[tuple[object, ...]] = [
        ("Kafka", kafka, "embedded" if deployment.kafka else "named by the settings"),
        ("Redis", redacted(redis), "embedded" if deployment.redis else "named by the settings"),
        ("topics", f"{settings.topics.prefix}*", ""),
        ("data", deployment.data_folder, ""),
    ]
    rows += [
        (
            f"worker {worker.name}",
            f"http://{deployment.health_host}:{worker.port}/metrics",
            f"pid {worker.pid}",
        )
        for worker in deployment.supervisor.workers()
    ]
    if deployment.console_address is not None:
        rows.append(("console", deployment.console_address, ""))
    console().print(table(("what", "where", ""), rows))
    flags = []
    if deployment.kafka and deployment.kafka.port != USUAL_KAFKA_PORT:
        flags.append(f"--bootstrap-servers {kafka}")
    if deployment.redis and deployment.redis.port != USUAL_REDIS_PORT:
        flags.append(f"--redis-url {redis}")
    if flags:
        note("Other commands need: " + " ".join(flags))
    elif settings.topics.prefix != "freshet.":
        note(f"Other commands need: --prefix {shlex.quote(settings.topics.prefix)}")
