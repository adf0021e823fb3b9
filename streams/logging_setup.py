"""Structured logs: one line an event on standard error, for a person (console) or a machine (JSON)."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.types import Processor

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

# Libraries tell at `info` what a worker's own events already say, and at `debug` every fetch.
_LIBRARY_LEVELS = {
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "kafka": logging.WARNING,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "fsspec": logging.WARNING,
    "PIL": logging.WARNING,
    "libav": logging.ERROR,
}

_REPEAT_S = 10.0
# Some lines have their values in them already.
_MAX_KINDS = 200
_REDACTED = "***"
_SECRET_NAMES = re.compile(r"password|passwd|secret|token|(api|hash)_?key|credential", re.IGNORECASE)
# The user part of a URL: `redis://user:password@host`.
_URL_USER = re.compile(r"(?<=://)[^/@\s'\"]+@")


def configure_logging(
    log_format: LogFormat = "console",
    level: LogLevel = "info",
    *,
    role: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Route everything that is logged in this process to ``stream``, standard error by default.

    Args:
        log_format: ``console`` for people, ``json`` for one object a line.
        level: Of Freshet's own events; libraries are one level quieter, and never below `info`.
        role: What this process is; with the process id it is on every line.
    """
    out = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Bind({} if role is None else {"role": role, "pid": os.getpid()}),
    ]
    if log_format == "json":
        final: list[Processor] = [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(sort_keys=False, default=str),
        ]
    else:
        colours = out.isatty() and "NO_COLOR" not in os.environ
        final = [
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0),
        ]
    handler = logging.StreamHandler(out)
    handler.addFilter(LibraryRepeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    own_level = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(own_level)
    for name, library_level in _LIBRARY_LEVELS.items():
        wanted = logging.INFO if level == "debug" else max(library_level, own_level)
        logging.getLogger(name).setLevel(wanted)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)


class LibraryRepeats(logging.Filter):
    """Lets through one line in ten seconds of each kind that Kafka's clients write, and how many it left out.

    While Kafka is away aiokafka says so some eighty times a second. A kind is a logger, a level and the text
    before its values are put in.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # When the next is let through, and how many were left out.
        self._kinds: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if not record.name.startswith(("aiokafka", "kafka")) or not isinstance(record.msg, str):
            return True
        kind = (record.name, record.levelno, record.msg)
        next_s, left_out = self._kinds.pop(kind, (0.0, 0))
        now_s = self._clock()
        is_due = now_s >= next_s
        self._kinds[kind] = (now_s + _REPEAT_S, 0) if is_due else (next_s, left_out + 1)
        if len(self._kinds) > _MAX_KINDS:
            self._kinds.popitem(last=False)
        if is_due and left_out:
            record.msg += f" (and {left_out} more of this kind since the last)"
        return is_due


class _Bind:
    """Adds what is the same on every line, in every thread."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in self._values.items():
            event.setdefault(name, value)
        return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out what must not be written down: passwords by name, and the user part of URLs."""
    for name, value in event.items():
        event[name] = _REDACTED if _SECRET_NAMES.search(name) else redacted(value)
    return event


def redacted(value: Any) -> Any:
    """``value`` with the user part taken out of every URL in its text."""
    if isinstance(value, str):
        return _URL_USER.sub(f"{_REDACTED}@", value)
    if isinstance(value, dict):
        return {
            name: _REDACTED if _SECRET_NAMES.search(str(name)) else redacted(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(one) for one in value]
    return value
