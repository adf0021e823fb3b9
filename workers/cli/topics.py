"""`freshet topics`: create or list them."""

from __future__ import annotations

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table


@click.group()
def topics() -> None:
    """Create or list the topics of this deployment."""


@topics.command()
@click.option("--json", "as_json", is_flag=True, help="The names of those created, as a JSON list.")
def create(as_json: bool) -> None:
    """Create every topic that is missing; those that are there stay as they are."""
    from streams.topic_admin import create_topics
    from workers.encoders_in_use import encoder_registry, fusion_in_use

    settings = invocation().settings()
    space = fusion_in_use(settings, encoder_registry(settings)).space
    created = create_topics(settings, [space])
    if as_json:
        print_json(created)
        return
    for name in created:
        click.echo(name)
    note(f"{len(created)} created" if created else "nothing to do: every topic exists")


@topics.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_command(as_json: bool) -> None:
    """List the topics: partitions, what becomes of old messages, who writes and reads them."""
    from streams.topic_admin import list_topics

    # Topics of vector spaces as far as they exist: which one is in use does not matter here.
    states = list_topics(invocation().settings())
    if as_json:
        print_json(
            [
                {
                    "name": state.name,
                    "partitions": state.partitions,
                    "cleanup": state.topic.cleanup,
                    "key": state.topic.key,
                    "encoding": state.topic.encoding,
                    "written_by": state.topic.written_by,
                    "read_by": state.topic.read_by,
                    "description": state.topic.description,
                    "config": state.config,
                }
                for state in states
            ]
        )
        return
    rows = [
        (
            state.name,
            state.partitions or "missing",
            state.topic.cleanup,
            state.topic.encoding,
            ", ".join(state.topic.written_by),
            ", ".join(state.topic.read_by),
        )
        for state in states
    ]
    console().print(table(("topic", "partitions", "cleanup", "encoding", "written by", "read by"), rows))
    if any(not state.partitions for state in states):
        note("Some topics are missing: run `freshet topics create`")
