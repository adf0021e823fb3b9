"""Settings that were given on the command line, section by section, and their way to child processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.errors import ConfigurationError

Flags = dict[str, Any]
"""Nested as the settings are; values are text as it was typed, or what JSON has."""

CONFIG_ENVIRONMENT = "FRESHET_CONFIG"
"""Names the settings file, as the flag --config does."""

FLAGS_ENVIRONMENT = "FRESHET_FLAGS"
"""How a parent's flags reach its workers. Not on their command line, where everybody could read passwords."""


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Flags:
    """``over`` laid over ``under``, section by section."""
    result: Flags = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[name] = merged(below, value)
        else:
            result[name] = value
    return result


def flag(dotted_name: str, value: Any) -> Flags:
    """A single setting, such as ``flag("kafka.bootstrap_servers", "host:9092")``."""
    *sections, name = dotted_name.split(".")
    found: Flags = {name: value}
    for section in reversed(sections):
        found = {section: found}
    return found


def parsed_option(text: str) -> Flags:
    """What ``-o section.name=value`` says. A value that begins as a JSON list or object is read as one.

    Raises:
        ConfigurationError: It is no such thing.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or "." not in name or not all(name.split(".")):
        raise ConfigurationError(
            f"`-o {text}` does not say which setting: write it as section.name=value, for example "
            "-o kafka.request_timeout_s=30"
        )
    if value[:1] in ("[", "{"):
        try:
            return flag(name, json.loads(value))
        except ValueError as error:
            raise ConfigurationError(f"the value of `-o {name}` is not valid JSON: {error}") from None
    return flag(name, value)


def environment_of(flags: Mapping[str, Any], config: Path | None = None) -> dict[str, str]:
    """What a child process needs in its environment to have these flags, over the same settings file."""
    found = {FLAGS_ENVIRONMENT: json.dumps(flags)}
    if config is not None:
        found[CONFIG_ENVIRONMENT] = str(config.absolute())
    return found


def inherited_flags() -> Flags:
    """The flags of the process that started this one.

    Raises:
        ConfigurationError: The variable holds something else.
    """
    text = os.environ.get(FLAGS_ENVIRONMENT)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"the variable {FLAGS_ENVIRONMENT} is no JSON object; it is for Freshet's own use: unset it"
        )
    return found
