"""The flags that every command takes, and the settings that they make."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from workers.flags import CONFIG_ENVIRONMENT, Flags, flag, inherited_flags, merged, parsed_option

if TYPE_CHECKING:
    from streams.settings import Settings

_QUIET: Final = "error"


class Invocation:
    """What was said on the command line besides the command's own options."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.debug = False
        self._flags: Flags = {}

    @property
    def flags(self) -> Flags:
        """The settings given as flags, on this command line over those of a parent `freshet`."""
        return merged(inherited_flags(), self._flags)

    def add(self, flags: Flags) -> None:
        """Take a flag over those before it."""
        self._flags = merged(self._flags, flags)

    def settings(self, under: Mapping[str, Any] | None = None) -> Settings:
        """Read the settings, and begin to log as they say: quietly, unless a level was asked for.

        Args:
            under: Settings, section by section, that give way to those of the command line alone.

        Raises:
            ConfigurationError: See `load_settings`.
        """
        from streams.logging_setup import configure_logging
        from streams.settings import load_settings

        settings = load_settings(self.config, **merged(under or {}, self.flags))
        worker = settings.worker
        # The command says itself what matters. kafka-python would repeat each failure many times.
        level = worker.log_level if "log_level" in worker.model_fields_set else _QUIET
        configure_logging(worker.log_format, level)
        if level == _QUIET:
            logging.getLogger("kafka").setLevel(logging.CRITICAL)
        return settings


def invocation() -> Invocation:
    """That of the command that runs."""
    return click.get_current_context().find_root().ensure_object(Invocation)


def add_common_options(command: click.Command) -> None:
    """Let a command, and every command below it, take the common flags. Again, it has no effect."""
    known = {parameter.name for parameter in command.params}
    command.params += [option for option in _common_options() if option.name not in known]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_common_options(below)


def _setting(dotted_name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def take(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            context.find_root().ensure_object(Invocation).add(flag(dotted_name, value))

    return take


def _take_options(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    for value in values:
        context.find_root().ensure_object(Invocation).add(parsed_option(value))


def _take_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.find_root().ensure_object(Invocation).config = value.absolute()


def _take_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().ensure_object(Invocation).debug = True


def _common_options() -> list[click.Option]:
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            default=lambda: os.environ.get(CONFIG_ENVIRONMENT),
            metavar="FILE",
            help="Settings file instead of freshet.toml.",
            expose_value=False,
            is_eager=True,
            callback=_take_config,
        ),
        click.Option(
            ["--bootstrap-servers"],
            metavar="HOST:PORT,…",
            help="Kafka.",
            expose_value=False,
            callback=_setting("kafka.bootstrap_servers"),
        ),
        click.Option(
            ["--redis-url"],
            metavar="URL",
            help="Redis; a password is better kept in FRESHET_REDIS__URL.",
            expose_value=False,
            callback=_setting("redis.url"),
        ),
        click.Option(
            ["--prefix"],
            metavar="TEXT",
            help="Of topics, groups and keys in Redis (default: freshet.).",
            expose_value=False,
            callback=_setting("topics.prefix"),
        ),
        click.Option(
            ["--log-level"],
            type=click.Choice(["debug", "info", "warning", "error"]),
            help="How much is logged.",
            expose_value=False,
            callback=_setting("worker.log_level"),
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(["console", "json"]),
            help="How it is logged.",
            expose_value=False,
            callback=_setting("worker.log_format"),
        ),
        click.Option(
            ["-o", "--option"],
            multiple=True,
            metavar="SECTION.NAME=VALUE",
            help="Any other setting, for example -o media.video_frames=4.",
            expose_value=False,
            callback=_take_options,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            help="Show the traceback of a defect.",
            expose_value=False,
            is_eager=True,
            callback=_take_debug,
        ),
    ]
