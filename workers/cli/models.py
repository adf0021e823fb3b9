"""`freshet models`: bring a model into the running stream, see what serves, go back."""

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
    from streams.settings import Settings

_POLL_S = 0.5


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
    """Check a bundle that `freshet train fusion` wrote, put it where workers find it, and announce it.

    Workers fetch it and check it themselves; nothing changes in the lists until it is activated.
    """
    from workers.announce_model import announce_bundle

    announced = announce_bundle(invocation().settings(), bundle, model, to)
    if as_json:
        print_json(asdict(announced))
        return
    note(
        f"announced {announced.ref}, which makes the space {announced.space} [{announced.dimension}]: "
        f"`freshet models activate {announced.ref}` has it serve"
    )


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_command(as_json: bool) -> None:
    """List the versions: which one serves, which gets ready and how far it is, which are refused and why."""
    from workers.model_versions import live_reports, model_versions
    from workers.models_topic import read_lifecycle

    settings = invocation().settings()
    rows = model_versions(settings, read_lifecycle(settings), live_reports(settings))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    console().print(
        table(
            ("model", "state", "space", "dimension", "checked by workers", "detail"),
            [(one.model, one.state, one.space, one.dimension, one.checked_by, one.detail) for one in rows],
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
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=3_600.0, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def activate(model: str, no_wait: bool, at_once: bool, timeout_s: float, as_json: bool) -> int:
    """Have a version serve, once every worker is ready; `settings` is what the settings say.

    What serves goes on until then. Where no worker of `fuse` or `recommend` is live, it serves at once, as
    with `--now`. Exit code 1 where the version is refused, or not ready in time.
    """
    from workers.models_topic import parse_ref, read_lifecycle

    settings = invocation().settings()
    ref = parse_ref(model)
    state = read_lifecycle(settings)
    _require_known(state, ref)
    wait_s = 0.0 if no_wait else timeout_s
    return _switch(settings, ref, timeout_s=wait_s, as_json=as_json, at_once=at_once)


@models.command()
@click.option("--no-wait", is_flag=True, help="Only ask for it.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=3_600.0, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def rollback(no_wait: bool, timeout_s: float, as_json: bool) -> int:
    """Have serve what served before; `fuse` goes on making its vectors, so it takes seconds.

    While another version gets ready, that is given up, and what serves goes on.
    """
    from streams.errors import InvalidError
    from workers.models_topic import read_lifecycle

    settings = invocation().settings()
    state = read_lifecycle(settings)
    if state.target is not None:
        note(f"{state.target} is given up: {state.active_ref} goes on")
        return _switch(settings, state.active_ref, timeout_s=0.0 if no_wait else timeout_s, as_json=as_json)
    if state.previous is None:
        raise InvalidError(f"nothing served before {state.active_ref}: there is nothing to go back to")
    _require_known(state, state.previous)
    return _switch(settings, state.previous, timeout_s=0.0 if no_wait else timeout_s, as_json=as_json)


def _require_known(state: Lifecycle, ref: ModelRef) -> None:
    from streams.errors import InvalidError

    if not state.is_known(ref):
        known = ", ".join(["settings", *sorted(map(str, state.bundles))])
        raise InvalidError(
            f"there is no model `{ref}`; there are {known}. Announce it first: "
            f"`freshet models announce BUNDLE {ref}`"
        )


def _switch(
    settings: Settings, ref: ModelRef, *, timeout_s: float, as_json: bool, at_once: bool = False
) -> int:
    """Ask for a version; wait until it serves or is refused."""
    from datetime import UTC, datetime

    from streams.client import FreshetClient
    from streams.topic_admin import create_topics
    from workers.model_switch import nobody_answers, switch_records
    from workers.model_versions import live_reports
    from workers.models_topic import read_lifecycle

    before = read_lifecycle(settings)
    bundle = before.bundle(ref)
    at_once = at_once or nobody_answers(live_reports(settings))
    records = switch_records(settings, before, ref, datetime.now(UTC), at_once=at_once)
    if bundle is not None:
        create_topics(settings, [bundle.space])
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        client.publish(records)
    state = read_lifecycle(settings)
    if timeout_s > 0:
        state = _waited(settings, ref, timeout_s, quiet=as_json)
    outcome = str(state.phase(ref))
    refusal = state.refusal(ref)
    if as_json:
        print_json(
            {"model": str(ref), "state": outcome, "reason": None if refusal is None else refusal.reason}
        )
    else:
        note(outcome_note(state, ref, timeout_s))
    return OK if outcome == "active" or (timeout_s == 0 and refusal is None) else BAD_INPUT


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


def _waited(settings: Settings, ref: ModelRef, timeout_s: float, *, quiet: bool) -> Lifecycle:
    """The state of the versions once this one serves, is refused or wanted no more; or when time is up."""
    from workers.cli.progress import progress
    from workers.model_versions import live_reports
    from workers.models_topic import read_lifecycle

    deadline_s = time.monotonic() + timeout_s
    with progress() as bars:
        while True:
            state = read_lifecycle(settings)
            if state.target != ref or time.monotonic() >= deadline_s:
                return state
            if not quiet:
                reports = [one for one in live_reports(settings) if one.role == "recommend"]
                slowest = min(reports, key=lambda one: one.covered, default=None)
                if slowest is not None:
                    bars("items in the new space", slowest.covered, max(1, slowest.items))
            time.sleep(_POLL_S)
