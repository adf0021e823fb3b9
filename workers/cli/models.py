"""`freshet models`: bring a model into the running stream, see what serves, go back.

Versions of fusions are apart from those of user models, of which each vector space has its own: in this
module ``space`` is None for fusions.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from models.lifecycle import Lifecycle, ModelRef
    from models.lifecycles import Lifecycles
    from streams.records import Outgoing
    from streams.settings import Settings

_POLL_S = 0.5
_USER_MODEL = click.option(
    "--user-model",
    is_flag=True,
    help="Of the user models in the vector space that serves, not of fusions.",
)


@click.group()
def models() -> None:
    """Bring a model into the running stream, see which serves, and go back."""


@models.command()
@click.argument("bundle", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("model", metavar="NAME@VERSION")
@click.option(
    "--to",
    metavar="URI",
    help="Where the bundle is put, such as s3://our-models; by default the folder `models.folder`.",
)
@click.option("--json", "as_json", is_flag=True, help="The announcement as JSON.")
def announce(bundle: Path, model: str, to: str | None, as_json: bool) -> None:
    """Check a bundle that `freshet train` wrote, put it where workers find it, and announce it.

    Of a fusion or of a user model, as its manifest says. Workers fetch it and check it
    themselves; nothing changes in the lists until it is activated.
    """
    from workers.announce_model import announce_bundle

    announced = announce_bundle(invocation().settings(), bundle, model, to)
    if as_json:
        print_json(asdict(announced))
        return
    does = "makes" if announced.kind == "fusion" else "is a user model of"
    note(
        f"announced {announced.ref}, which {does} the space {announced.space} [{announced.dimension}]: "
        f"`freshet models activate {announced.ref}` has it serve"
    )


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_command(as_json: bool) -> None:
    """List the versions: which one serves, which gets ready and how far it is, which are refused and why."""
    from workers.model_versions import live_reports, model_versions
    from workers.models_topic import read_lifecycles

    settings = invocation().settings()
    rows = model_versions(settings, read_lifecycles(settings), live_reports(settings))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    console().print(
        table(
            ("model", "kind", "state", "space", "dimension", "checked by workers", "detail"),
            [
                (
                    one.model,
                    one.kind.replace("_", " "),
                    one.state,
                    one.space,
                    one.dimension,
                    one.checked_by,
                    one.detail,
                )
                for one in rows
            ],
        )
    )


@models.command()
@click.argument("model", metavar="NAME@VERSION")
@click.option("--no-wait", is_flag=True, help="Only ask for it; `freshet models list` shows how far it is.")
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Wait for no worker: it is checked here, and serves. For when workers cannot load what serves.",
)
@_USER_MODEL
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=3_600.0, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def activate(
    model: str, no_wait: bool, at_once: bool, user_model: bool, timeout_s: float, as_json: bool
) -> int:
    """Have a version serve, once every worker is ready; `settings` is what the settings say.

    What serves goes on until then. Where no worker of `fuse` or `recommend` is live, it serves at once, as
    with `--now`. A user model serves in its vector space, while lists are of that. Exit
    code 1 where the version is refused, or not ready in time.
    """
    from workers.models_topic import parse_ref, read_lifecycles

    settings = invocation().settings()
    ref = parse_ref(model)
    state = read_lifecycles(settings)
    space = _space_of(settings, state, ref, user_model=user_model)
    wait_s = 0.0 if no_wait else timeout_s
    return _switch(settings, ref, space, timeout_s=wait_s, as_json=as_json, at_once=at_once)


@models.command()
@click.option("--no-wait", is_flag=True, help="Only ask for it.")
@_USER_MODEL
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=3_600.0, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def rollback(no_wait: bool, user_model: bool, timeout_s: float, as_json: bool) -> int:
    """Have serve what served before; `fuse` goes on making its vectors, so it takes seconds.

    While another version gets ready, that is given up, and what serves goes on.
    """
    from streams.errors import InvalidError
    from workers.model_versions import start_of
    from workers.models_topic import read_lifecycles

    settings = invocation().settings()
    everything = read_lifecycles(settings)
    space = everything.serving_space(start_of(settings)) if user_model else None
    state = _versions(everything, space)
    wait_s = 0.0 if no_wait else timeout_s
    if state.target is not None:
        note(f"{state.target} is given up: {state.active_ref} goes on")
        return _switch(settings, state.active_ref, space, timeout_s=wait_s, as_json=as_json)
    if state.previous is None:
        raise InvalidError(f"nothing served before {state.active_ref}: there is nothing to go back to")
    _require_known(everything, space, state.previous)
    return _switch(settings, state.previous, space, timeout_s=wait_s, as_json=as_json)


def _versions(state: Lifecycles, space: str | None) -> Lifecycle:
    return state.fusions if space is None else state.users_of(space)


def _space_of(settings: Settings, state: Lifecycles, ref: ModelRef, *, user_model: bool) -> str | None:
    """The space whose user model this is; None for a fusion."""
    from models.lifecycle import START
    from streams.errors import InvalidError
    from workers.model_versions import start_of

    if ref == START:
        return state.serving_space(start_of(settings)) if user_model else None
    spaces = state.user_spaces(ref)
    if user_model and not spaces:
        raise InvalidError(f"there is no user model `{ref}`: `freshet models list` names them")
    if spaces and (user_model or not state.fusions.is_known(ref)):
        return spaces[0]
    _require_known(state, None, ref)
    return None


def _require_known(state: Lifecycles, space: str | None, ref: ModelRef) -> None:
    from streams.errors import InvalidError

    if not _versions(state, space).is_known(ref):
        bundles = [*state.fusions.bundles, *(one for users in state.users.values() for one in users.bundles)]
        known = ", ".join(["settings", *sorted(map(str, bundles))])
        raise InvalidError(
            f"there is no model `{ref}`; there are {known}. Announce it first: "
            f"`freshet models announce BUNDLE {ref}`"
        )


def _switch(
    settings: Settings,
    ref: ModelRef,
    space: str | None,
    *,
    timeout_s: float,
    as_json: bool,
    at_once: bool = False,
) -> int:
    """Ask for a version; wait until it serves or is refused."""
    from streams.client import FreshetClient
    from workers.models_topic import read_lifecycles

    records = _records(settings, ref, space, at_once=at_once)
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        client.publish(records)
    everything = read_lifecycles(settings)
    if timeout_s > 0:
        everything = _waited(settings, ref, space, timeout_s, quiet=as_json)
    state = _versions(everything, space)
    outcome = str(state.phase(ref))
    refusal = state.refusal(ref)
    if as_json:
        print_json(
            {"model": str(ref), "state": outcome, "reason": None if refusal is None else refusal.reason}
        )
    else:
        note(outcome_note(state, ref, timeout_s))
        _note_rest(settings, everything, ref, space)
    return OK if outcome == "active" or (timeout_s == 0 and refusal is None) else BAD_INPUT


def _records(settings: Settings, ref: ModelRef, space: str | None, *, at_once: bool) -> list[Outgoing]:
    """What is to be published to have a version serve; creates the topic of a fusion's space."""
    from datetime import UTC, datetime

    from streams.topic_admin import create_topics
    from workers.model_switch import nobody_answers, switch_records, user_switch_records
    from workers.model_versions import live_reports
    from workers.models_topic import read_lifecycles

    before, now = read_lifecycles(settings), datetime.now(UTC)
    at_once = at_once or nobody_answers(live_reports(settings), "fusion" if space is None else "user_model")
    if space is not None:
        return user_switch_records(settings, before, space, ref, now, at_once=at_once)
    records = switch_records(settings, before.fusions, ref, now, at_once=at_once)
    bundle = before.fusions.bundle(ref)
    if bundle is not None:
        create_topics(settings, [bundle.space])
    return records


def _note_rest(settings: Settings, state: Lifecycles, ref: ModelRef, space: str | None) -> None:
    """Say that a user model is not used yet where lists are of another space."""
    from workers.model_versions import start_of

    if space is None or state.users_of(space).active_ref != ref:
        return
    serving = state.serving_space(start_of(settings))
    if space != serving:
        note(f"lists are of the space {serving}: {ref} rests until they are of {space}")


def outcome_note(state: Lifecycle, ref: ModelRef, timeout_s: float) -> str:
    """What became of a version that was asked for, in words; 0 seconds where nobody waited for it."""
    refusal = state.refusal(ref)
    if refusal is not None:
        return f"{ref} is refused: {refusal.reason}. {state.active_ref} serves on"
    if ref == state.active_ref:
        return f"{ref} serves"
    if state.wanted is not None and state.wanted[1] != ref:
        return (
            f"{ref} is wanted no more: {state.wanted[1]} was asked for meanwhile; {state.active_ref} serves"
        )
    if timeout_s > 0:
        late = f"{ref} does not serve within {timeout_s:g} s"
        return f"{late}; it goes on getting ready: `freshet models list`"
    return f"asked for {ref}: `freshet models list` shows how far it is"


def _waited(
    settings: Settings, ref: ModelRef, space: str | None, timeout_s: float, *, quiet: bool
) -> Lifecycles:
    """The state of the versions once this one serves, is refused or wanted no more; or when time is up."""
    from workers.cli.progress import progress
    from workers.model_versions import live_reports
    from workers.models_topic import read_lifecycles

    deadline_s = time.monotonic() + timeout_s
    with progress() as bars:
        while True:
            state = read_lifecycles(settings)
            if _versions(state, space).target != ref or time.monotonic() >= deadline_s:
                return state
            if not quiet and space is None:
                reports = [one for one in live_reports(settings) if one.role == "recommend"]
                slowest = min(reports, key=lambda one: one.covered, default=None)
                if slowest is not None:
                    bars("items in the new space", slowest.covered, max(1, slowest.items))
            time.sleep(_POLL_S)
