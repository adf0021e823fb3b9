"""The report as tables for a person."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.demo.metrics import Arrival
from workers.demo.report import Latency, Report

_MODALITIES = ("text", "image", "audio", "video", "mixed")


def print_summary(console: Console, report: Report) -> None:
    """Figures first, then each check with its figure and whether it holds."""
    console.print()
    console.print(_figures(report))
    console.print()
    console.print(_checks(report))
    console.print()
    failed = sum(not check.passed for check in report.checks)
    if failed:
        console.print(Text(f"{failed} of {len(report.checks)} checks failed", style="bold red"))
    else:
        console.print(Text(f"all {len(report.checks)} checks hold", style="bold green"))


def _figures(report: Report) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, title="Summary", title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    found = report.account
    table.add_row("acting", f"{report.people} people, {report.items} items, {report.acting_s:g} s")
    table.add_row(
        "events", f"{found.published} published, {found.sent_again} of them twice; {report.lists} lists"
    )
    table.add_row("event to list", _latency(report.latency))
    table.add_row("  with all workers", _latency(report.latency_without_outage))
    silence_s = report.outage.silence_s
    after = "no list followed" if silence_s is None else f"the next list followed after {silence_s:.1f} s"
    table.add_row("kill", f"{report.outage.role} worker by SIGKILL; {after}")
    if report.unanswered:
        table.add_row("without a list", f"{report.unanswered} events")
    for modality in _MODALITIES:
        table.add_row(
            f"new, {modality}", _arrivals([one for one in report.arrivals if one.modality == modality])
        )
    table.add_row("memory (PSS)", _memory(report.memory_bytes))
    for line in report.dead_letters:
        table.add_row("dead letter", line)
    return table


def _checks(report: Report) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "check", "figure", "required"):
        table.add_column(name)
    for check in report.checks:
        mark = Text("pass", style="green") if check.passed else Text("FAIL", style="bold red")
        table.add_row(mark, check.name, check.figure, check.required)
    return table


def _latency(one: Latency) -> str:
    return (
        f"p50 {one.p50_ms:.0f} ms, p95 {one.p95_ms:.0f} ms, p99 {one.p99_ms:.0f} ms, "
        f"longest {one.max_ms:.0f} ms ({one.events} events)"
    )


def _arrivals(found: list[Arrival]) -> str:
    seconds = [one.after_s for one in found if one.after_s is not None]
    if not seconds:
        return f"{len(found)} items, in no list"
    return (
        f"{len(found)} items, in a matching list after {statistics.median(seconds):.2f} s (median), "
        f"{max(seconds):.2f} s (longest)"
    )


def _memory(by_process: Mapping[str, int]) -> str:
    parts = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in by_process.items())
    return f"{sum(by_process.values()) / 2**20:.0f} MiB: {parts}"
