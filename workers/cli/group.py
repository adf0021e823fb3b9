"""The commands by name. A module is imported only when its command is used: help is there at once."""

from __future__ import annotations

import difflib
from importlib import import_module

import click

from workers.cli.invocation import Invocation, add_common_options

# Command: where it is, and what it does in a line. A module holds a command of its own name.
COMMANDS = {
    "up": ("workers.cli.up", "Start Kafka, Redis and every role on this machine."),
    "demo": ("workers.cli.demo", "See lists follow what people do, in a temporary folder."),
    "worker": ("workers.cli.worker", "Run one role in this process, or several as child processes."),
    "publish": ("workers.cli.publish", "Publish items or events from JSON lines."),
    "recommend": ("workers.cli.recommend", "Ask for a person's list."),
    "watch": ("workers.cli.watch", "Follow the lists as they are published."),
    "topics": ("workers.cli.topics", "Create or list the topics."),
    "dead-letters": ("workers.cli.dead_letters", "See and replay what could not be processed."),
    "encoders": ("workers.cli.encoders", "See and check the encoders at hand."),
    "doctor": ("workers.cli.doctor", "Check everything that Freshet needs, and say what to do."),
}


class FreshetGroup(click.Group):
    """Finds commands in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module_name, short_help = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module_name), cmd_name.replace("-", "_"))
        command.short_help = short_help
        add_common_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the command that was probably meant."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"There is no command `{args[0]}`.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=FreshetGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings come from freshet.toml, then FRESHET_… variables, then these flags, which every command "
    "takes too. Exit codes: 0 done, 1 bad input or a failed check, 2 usage or configuration, 3 Kafka or "
    "Redis does not answer, 70 a defect of Freshet.",
)
@click.version_option(package_name="freshet", prog_name="freshet")
@click.pass_context
def freshet(context: click.Context) -> None:
    """A streaming multimodal recommender on Kafka: items and events in, recommendations out."""
    context.ensure_object(Invocation)


add_common_options(freshet)
