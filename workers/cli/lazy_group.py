"""A group of commands by name. A module is imported only when its command is used: help is there at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from workers.cli.invocation import add_common_options


class LazyGroup(click.Group):
    """Finds each command in the module that holds it under its own name.

    Args:
        modules: Command: where it is, and what it does in a line; in the order in which they are listed.
    """

    def __init__(self, *arguments: Any, modules: Mapping[str, tuple[str, str]], **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were given."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self._modules:
            return None
        module_name, short_help = self._modules[cmd_name]
        command: click.Command = getattr(import_module(module_name), cmd_name.replace("-", "_"))
        command.short_help = short_help
        add_common_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the command that was probably meant."""
        if args and not args[0].startswith("-") and args[0] not in self._modules:
            near = difflib.get_close_matches(args[0], self._modules, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"There is no command `{args[0]}`.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._modules.items()])
