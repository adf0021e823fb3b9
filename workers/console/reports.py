"""Reports of evaluations and benchmarks in one folder, as tables. Nothing in a file is trusted."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from workers.bench.rows import Row, setting_text
from workers.evaluation import offline_report
from workers.evaluation.report import (
    LIST_METRICS,
    METRICS,
    ablation_rows,
    list_rows,
    speed_rows,
    summary_rows,
)

MAX_REPORTS = 20
MAX_REPORT_BYTES = 2 << 20
MAX_LISTED_FILES = 1_000
MAX_ROWS = 100
MAX_CELL_CHARACTERS = 200
_UNKNOWN = (
    "this is no report that `freshet evaluate prequential`, `freshet evaluate offline` or `freshet bench` "
    "writes by `--json`"
)

Table = dict[str, Any]


class _UnknownShapeError(Exception):
    """A file is JSON, but none of the reports."""


class Reports:
    """The newest reports of a folder. Reading blocks: call it in a thread.

    Args:
        folder: Where they are; its own folders are not looked into, and links not followed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}

    def newest(self) -> dict[str, Any]:
        """Up to `MAX_REPORTS` reports with their tables, how many were left out, and what is wrong."""
        if self._folder is None:
            return {"is_set": False, "problem": None, "left_out": 0, "reports": []}
        try:
            found = list(_json_files(self._folder))
        except OSError as error:
            problem = f"the folder of `console.reports` cannot be read: {error.strerror}"
            return {"is_set": True, "problem": problem, "left_out": 0, "reports": []}
        shown = heapq.nlargest(MAX_REPORTS, found)
        kept = {name: self._report(name, modified_ns, size) for modified_ns, name, size in shown}
        self._read = {name: ((modified_ns, size), kept[name]) for modified_ns, name, size in shown}
        return {
            "is_set": True,
            "problem": None,
            "left_out": len(found) - len(shown),
            "reports": list(kept.values()),
        }

    def _report(self, name: str, modified_ns: int, size: int) -> dict[str, Any]:
        held = self._read.get(name)
        if held is not None and held[0] == (modified_ns, size):
            return held[1]
        made: dict[str, Any] = {
            "file": name[:MAX_CELL_CHARACTERS],
            "modified_ms": modified_ns // 1_000_000,
            "kind": None,
            "title": "",
            "tables": [],
            "problem": None,
        }
        assert self._folder is not None
        try:
            made |= _tables_of(msgspec.json.decode(_bytes_of(self._folder / name)))
        except OSError as error:
            made["problem"] = f"it cannot be read: {error.strerror or error}"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            made["problem"] = "it is no JSON"
        except _UnknownShapeError:
            made["problem"] = _UNKNOWN
        return made


def _json_files(folder: Path) -> Iterator[tuple[int, str, int]]:
    with os.scandir(folder) as entries:
        for entry in islice(entries, MAX_LISTED_FILES):
            if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield status.st_mtime_ns, entry.name, status.st_size


def _bytes_of(path: Path) -> bytes:
    # Between listing and opening it may have become a link or a pipe.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("no plain file")
        data = file.read(MAX_REPORT_BYTES + 1)
    if len(data) > MAX_REPORT_BYTES:
        raise OSError(f"it has more than {MAX_REPORT_BYTES:,} bytes")
    return data


def _tables_of(report: Any) -> dict[str, Any]:
    try:
        if isinstance(report, list):
            return _bench(msgspec.convert(report, list[Row]))
        if "ranker" in report and "n" in report:
            return _prequential(report)
        if "models" in report:
            return _offline(report)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _UnknownShapeError from error
    raise _UnknownShapeError


def _prequential(report: dict[str, Any]) -> dict[str, Any]:
    tables = [
        _table("Events ranked before they were learned", ("", *METRICS), summary_rows(report)),
        _table("Lists", ("", *LIST_METRICS), list_rows(report)),
        _table("Taken away at serving", ("", "", "hr@20", "ndcg@20"), ablation_rows(report)),
        _table("Speed", ("", ""), speed_rows(report)),
    ]
    title = f"{report['ranker']} on {report['source']}, {report['n']:,} events ranked"
    return {"kind": "prequential", "title": title[:MAX_CELL_CHARACTERS], "tables": _with_rows(tables)}


def _offline(report: dict[str, Any]) -> dict[str, Any]:
    tables = [_table(*one) for one in offline_report.tables(report)]
    if not tables:
        raise _UnknownShapeError
    title = f"{len(report['models'])} models on {report['dataset']}, protocol {report['protocol']}"
    return {"kind": "offline", "title": title[:MAX_CELL_CHARACTERS], "tables": tables}


def _bench(rows: list[Row]) -> dict[str, Any]:
    columns = ("benchmark", "value", "baseline", "unit", "ratio", "setting")
    cells = [
        (one.name, one.value, one.baseline, one.unit, one.ratio, setting_text(one.setting)) for one in rows
    ]
    title = f"{len(rows):,} figures, each beside its baseline"
    return {"kind": "bench", "title": title, "tables": _with_rows([_table("Figures", columns, cells)])}


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    return {
        "title": title,
        "columns": list(columns),
        "rows": [[_cell(value) for value in row] for row in rows[:MAX_ROWS]],
        "left_out": max(0, len(rows) - MAX_ROWS),
    }


def _with_rows(tables: Sequence[Table]) -> list[Table]:
    return [one for one in tables if one["rows"]]


def _cell(value: object) -> str | float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return str(value)[:MAX_CELL_CHARACTERS]
