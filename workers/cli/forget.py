"""`freshet forget`: remove a person, and show the receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.hashed_ids import hash_key_file_option, id_in_topics
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table

if TYPE_CHECKING:
    from streams.messages import ErasureReceipt


@click.command()
@click.argument("user")
@hash_key_file_option("USER is")
@click.option(
    "--timeout", type=float, default=60.0, show_default=True, help="Seconds to wait for the receipt; 0: none."
)
@click.option("--json", "as_json", is_flag=True, help="The receipt as it is on Kafka.")
def forget(user: str, hash_key_file: Path | None, timeout: float, as_json: bool) -> None:
    """Remove USER from profiles, lists, logs and the memory of all workers, and show the receipt.

    It cannot be undone. `freshet export USER` first gives all that is held.
    """
    from datetime import UTC, datetime

    from streams.errors import DependencyDownError
    from workers.forget_request import forget_person

    person = id_in_topics(user, hash_key_file)
    settings = invocation().settings()
    receipt = forget_person(settings, person, datetime.now(UTC), timeout)
    if receipt is not None:
        print_json(receipt) if as_json else _show(receipt)
    elif timeout > 0:
        raise DependencyDownError(
            f"the erasure is published, but no receipt came within {timeout:g} s: is a `profile` worker "
            "running, with the same `privacy.hash_key`? It is carried out once one is, and the receipt is "
            "then in `erasure-receipts`"
        )
    else:
        note("the erasure is published; its receipt comes in `erasure-receipts`")


def _show(receipt: ErasureReceipt) -> None:
    rows = [(one.place, one.role, one.records) for one in receipt.removed]
    console().print(table(("removed", "by", "records"), rows))
    still = [
        (name, f"{at:%Y-%m-%d %H:%M} UTC")
        for name, at in sorted(receipt.expires_at.items(), key=lambda entry: entry[1])
    ]
    console().print(table(("still in Kafka, and void", "gone by"), still))
    for name in receipt.without_expiry:
        note(f"{name} keeps records for ever: set its `retention.ms`")
    for what in receipt.not_attributable:
        note(f"not attributable: {what}")
    note(f"receipt {receipt.user}, {receipt.completed_at:%Y-%m-%d %H:%M:%S} UTC")
