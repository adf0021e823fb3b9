"""`freshet encoders`: see, check and add them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workers.cli.encoders_add import add
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from models.encoders.registry import EncoderRegistry


@click.group()
def encoders() -> None:
    """See the encoders at hand, check that they work, and add others."""


encoders.add_command(add)


def _size_bytes(registry: EncoderRegistry, name: str) -> int:
    return sum(entry.size_bytes for entry in registry.manifest(name).files)


@encoders.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_command(as_json: bool) -> None:
    """List the bundled encoders and those of `encoders.folders`: size, licence, measured quality."""
    from workers.encoders_in_use import encoder_registry, encoders_in_use

    settings = invocation().settings()
    registry = encoder_registry(settings)
    in_use = set(encoders_in_use(settings).values())
    found: list[dict[str, Any]] = []
    for name in registry.names():
        manifest = registry.manifest(name)
        found.append(
            {
                "name": name,
                "modality": manifest.modality,
                "in_use": name in in_use,
                "dimension": manifest.dimension,
                "size_bytes": _size_bytes(registry, name),
                "licence": manifest.licence,
                "source": manifest.source,
                "description": manifest.description,
                "quality": manifest.quality,
                "folder": str(registry.folder(name)),
            }
        )
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["name"],
            one["modality"],
            "yes" if one["in_use"] else "",
            one["dimension"],
            f"{one['size_bytes'] / 1e6:.1f} MB",
            one["licence"],
            "\n".join(
                f"{what} {figure.value:g} ({figure.dataset})" for what, figure in one["quality"].items()
            ),
        )
        for one in found
    ]
    columns = ("encoder", "modality", "in use", "dimension", "size", "licence", "measured quality")
    console().print(table(columns, rows))


@encoders.command()
@click.argument("names", metavar="[NAME…]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def check(names: tuple[str, ...], as_json: bool) -> int:
    """Load encoders (all, or those named): files against their sha256, shapes, and a run on a sample.

    Exit code 1 if any does not work.
    """
    from workers.doctor.encoders import encoder_problem
    from workers.encoders_in_use import encoder_registry

    registry = encoder_registry(invocation().settings())
    problems = {name: encoder_problem(registry, name) for name in names or registry.names()}
    if as_json:
        print_json([{"name": name, "problem": problem} for name, problem in problems.items()])
    else:
        for name, problem in problems.items():
            click.echo(f"{name}: works" if problem is None else f"{name}: {problem}")
    bad = sum(problem is not None for problem in problems.values())
    if bad:
        note(f"{bad} of {len(problems)} encoders do not work")
    return BAD_INPUT if bad else OK
