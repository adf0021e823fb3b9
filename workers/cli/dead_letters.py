"""`freshet dead-letters`: see what could not be processed, and publish it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, plain, print_json, table
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from streams.dead_letter_box import StoredDeadLetter
    from streams.settings import Settings

_SHOWN_PAYLOAD_CHARACTERS = 4_000


def _selection(command: click.Command) -> click.Command:
    for name, text in (
        ("--topic", "Only those of this source topic, with or without the prefix."),
        ("--stage", "Only those of this stage."),
        ("--reason", "Only those with this reason."),
    ):
        command.params.append(click.Option([name], help=text))
    return command


def _selected(settings: Settings, wanted: dict[str, str | None]) -> Iterator[StoredDeadLetter]:
    from streams.dead_letter_box import stored_dead_letters

    prefix = settings.topics.prefix
    topic, stage, reason = wanted["topic"], wanted["stage"], wanted["reason"]
    for stored in stored_dead_letters(settings):
        letter = stored.letter
        if (
            (topic is None or letter.source.topic in (topic, prefix + topic))
            and (stage is None or letter.stage == stage)
            and (reason is None or letter.reason == reason)
        ):
            yield stored


def _as_json(stored: StoredDeadLetter) -> dict[str, Any]:
    return {"number": stored.number, "dead_letter": stored.letter}


@click.group()
def dead_letters() -> None:
    """See what could not be processed and why, and publish it again once the cause is mended."""


@_selection
@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def list_command(as_json: bool, **wanted: str | None) -> None:
    """List dead letters, oldest first: one a message and stage."""
    rows = []
    for stored in _selected(invocation().settings(), wanted):
        if as_json:
            print_json(_as_json(stored))
            continue
        letter = stored.letter
        rows.append(
            (
                stored.number,
                f"{letter.failed_at:%Y-%m-%d %H:%M:%S}",
                f"{letter.source.topic}/{letter.source.partition}/{letter.source.offset}",
                letter.source.key,
                letter.stage,
                letter.reason,
                letter.detail,
            )
        )
    if not as_json:
        columns = ("number", "failed at", "source", "key", "stage", "reason", "detail")
        if rows:
            console().print(table(columns, rows))
        note(f"{len(rows)} dead letters")


@dead_letters.command()
@click.argument("number", type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
def show(number: int, as_json: bool) -> None:
    """Show the dead letter of that NUMBER with its payload."""
    stored = _stored(invocation().settings(), number)
    if as_json:
        print_json(_as_json(stored))
        return
    letter, source = stored.letter, stored.letter.source
    rows = [
        ("source", f"{source.topic}, partition {source.partition}, offset {source.offset}"),
        ("key", source.key),
        ("stage", letter.stage),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("attempts", str(letter.attempts)),
        ("failed at", f"{letter.failed_at:%Y-%m-%d %H:%M:%S %Z}"),
    ]
    console().print(table(("", f"dead letter {number}"), rows))
    if letter.payload is None:
        click.echo(
            "\n(no payload: the message had none, or it was too large; the source topic may still have it)"
        )
        return
    payload = base64.b64decode(letter.payload).decode(errors="replace")
    cut = len(payload) - _SHOWN_PAYLOAD_CHARACTERS
    click.echo("\n" + plain(payload[:_SHOWN_PAYLOAD_CHARACTERS]))
    if cut > 0:
        note(f"({cut} more characters; --json has them all)")


@_selection
@dead_letters.command()
@click.argument("numbers", metavar="[NUMBER…]", nargs=-1, type=click.IntRange(min=0))
@click.option("--all", "everything", is_flag=True, help="All that the other options select.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as a JSON document.")
def replay(numbers: tuple[int, ...], everything: bool, as_json: bool, **wanted: str | None) -> int:
    """Publish the messages of these NUMBERs again, where they came from, with their keys and values.

    Mend the cause first. It is safe to repeat: an item that was published again since is left alone, an
    event that was applied meanwhile has no second effect. Exit code 1 if any could not be replayed.
    """
    from streams.client import FreshetClient
    from streams.dead_letter_box import replay as replay_one
    from streams.errors import BadInputError

    if bool(numbers) == everything:
        raise click.UsageError("Name dead letters by their numbers (see `list`), or give --all.")
    if numbers and any(wanted.values()):
        raise click.UsageError("--topic, --stage and --reason go with --all, not with numbers.")
    settings = invocation().settings()
    chosen = _selected(settings, wanted) if everything else (_stored(settings, one) for one in numbers)
    replayed: list[int] = []
    refused: dict[int, str] = {}
    # An item that failed in two stages is one message.
    sources: set[tuple[str, int, int]] = set()
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        for stored in list(chosen):
            source = stored.letter.source
            identity = (source.topic, source.partition, source.offset)
            if identity in sources:
                continue
            sources.add(identity)
            try:
                replay_one(settings, client, stored)
                replayed.append(stored.number)
            except BadInputError as error:
                refused[stored.number] = error.detail
                note(f"{stored.number}: not replayed: {error.detail}")
    if as_json:
        print_json(
            {
                "replayed": replayed,
                "refused": [{"number": number, "problem": problem} for number, problem in refused.items()],
            }
        )
    else:
        note(f"{len(replayed)} replayed" + (f", {len(refused)} not" if refused else ""))
    return BAD_INPUT if refused else OK


def _stored(settings: Settings, number: int) -> StoredDeadLetter:
    from streams.dead_letter_box import stored_dead_letter
    from streams.errors import InvalidError

    found = stored_dead_letter(settings, number)
    if found is None:
        raise InvalidError(
            f"there is no dead letter {number} (any more); `freshet dead-letters list` has them"
        )
    return found
