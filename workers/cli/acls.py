"""`freshet acls`: the least permissions of each role, as commands."""

from __future__ import annotations

import click

from workers.cli.invocation import invocation
from workers.cli.output import print_json
from workers.roles import ROLES


@click.command()
@click.option(
    "--role",
    type=click.Choice([*ROLES, "client", "console", "operator"]),
    help="Of this role alone; by default of all.",
)
@click.option("--user", metavar="NAME", help="Of Kafka and Redis; by default freshet-ROLE.")
@click.option("--json", "as_json", is_flag=True, help="As data, in place of commands.")
def acls(role: str | None, user: str | None, as_json: bool) -> None:
    """Print the least permissions that each role needs in Kafka and Redis, as commands for an administrator.

    Nothing is changed. The shell that runs them is to know BOOTSTRAP_SERVERS and, one after the other, each
    role's PASSWORD for Redis. `client` is whoever publishes items and events and reads lists; `console` is
    `freshet console`; `operator` is whoever runs all other commands.
    """
    from streams.access import OTHERS, kafka_acl_commands, kafka_grants
    from streams.topic_names import TopicNames
    from workers.encoders_in_use import encoder_registry, fusion_in_use
    from workers.state.access import REDIS_USERS, redis_acl_command, redis_rules

    settings = invocation().settings()
    prefix = settings.topics.prefix
    names = TopicNames(prefix)
    space = fusion_in_use(settings, encoder_registry(settings)).space
    found = []
    for one in [role] if role is not None else [*ROLES, *OTHERS]:
        name = user or f"freshet-{one}"
        if as_json:
            rules = redis_rules(one, prefix) if one in REDIS_USERS else []
            kafka = kafka_grants(one, names, space)
            found.append({"role": one, "user": name, "kafka": kafka, "redis": rules})
            continue
        click.echo(f"# {one}")
        for command in kafka_acl_commands(one, f"User:{name}", names, space):
            click.echo(command)
        if one in REDIS_USERS:
            click.echo(redis_acl_command(one, name, prefix))
        click.echo()
    if as_json:
        print_json(found)
