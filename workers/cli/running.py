"""Runs the command line: each cause of failure has its exit code, and one message for a person."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from streams.errors import BadInputError, ConfigurationError, DependencyDownError, ModelRefusedError
from workers.cli.group import freshet
from workers.cli.invocation import Invocation
from workers.exit_codes import BAD_INPUT, CONFIGURATION, DEFECT, DEPENDENCY_DOWN, INTERRUPTED, OK


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code."""
    invocation = Invocation()
    try:
        result: Any = freshet.main(
            list(arguments), prog_name="freshet", standalone_mode=False, obj=invocation
        )
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain while it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        return _explain(error, debug=invocation.debug)
    return result if isinstance(result, int) else OK


def _explain(error: Exception, *, debug: bool) -> int:
    code = exit_code_of(error)
    if code == DEFECT:
        if debug:
            traceback.print_exception(error)
        text = f"defect of Freshet: {type(error).__name__}: {error}"
        _show(text if debug else f"{text}\nPlease report it, with the traceback that --debug shows.")
    else:
        if debug:
            traceback.print_exception(error)
        _show(str(error))
    return code


def exit_code_of(error: Exception) -> int:
    """The exit code of a command that fails with ``error``."""
    match error:
        case BadInputError() | ModelRefusedError():
            return BAD_INPUT
        case ConfigurationError():
            return CONFIGURATION
        case DependencyDownError():
            return DEPENDENCY_DOWN
    # Only where it was imported can its errors have been raised.
    models = sys.modules.get("models.errors")
    if models is not None and isinstance(error, models.ModelError):
        wrong_installation = (models.ManifestError, models.SettingError, models.DimensionError)
        return CONFIGURATION if isinstance(error, wrong_installation) else BAD_INPUT
    return DEFECT


def _show(text: str) -> None:
    from streams.logging_setup import redacted

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(click.style("error: ", fg="red", bold=True) + str(redacted(text)), err=True, color=colour)
