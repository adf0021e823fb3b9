"""`python -m tests.faults.long`: a long run of the fault suite, resumable, with a report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.run import FaultRun, Report
from tests.faults.schedule import grave_plan
from workers.cli.progress import progress

ROLES = (
    *("text", "image", "audio", "video", "fuse"),
    *("profile", "profile", "recommend", "recommend", "learn", "join", "explain"),
)
SPARE = ("profile", "recommend")
_ANSWERS = {True: "yes", False: "**no**", None: "not compared"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 if everything holds, 1 if not."""
    given = _parser().parse_args(arguments)
    grave = grave_plan(given.seed, given.faults, len(ROLES))
    with progress() as bars:

        def on_progress(faults: int, kills: int, events: int) -> None:
            bars("faults", faults, given.faults)
            bars("workers killed", kills, sum(one.startswith("kill") for one in grave))
            bars("events", events, given.events)

        report = FaultRun(
            given.resume,
            seed=given.seed,
            roles=list(ROLES),
            spare=list(SPARE),
            events=given.events,
            events_per_s=given.rate,
            grave=grave,
            light=max(0, given.faults - len(grave)),
            light_every_s=given.every,
            media=True,
            small_disk=True,
            say=lambda line: print(line, file=sys.stderr, flush=True),
            on_progress=on_progress,
        ).run()
    if given.json is not None:
        given.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if given.report is not None:
        given.report.write_text(as_markdown(report, given))
    print(as_markdown(report, given))
    return 0 if report.holds else 1


def as_markdown(report: Report, given: argparse.Namespace) -> str:
    """The report for people."""
    found = report.as_json()
    setting = found["setting"]
    lines = [
        "# Faults",
        "",
        f"    python -m tests.faults.long --events {given.events} --faults {given.faults} "
        f"--seed {given.seed} --rate {given.rate:g} --every {given.every:g} --resume DIR",
        "",
        f"{found['faults']} faults, {found['kills']} of them kills of workers, {setting['events']} events in "
        f"{setting['seconds']} s (a further {found['missed']} faults hit nothing and do not count). "
        + ("Everything holds." if found["holds"] else "**Not everything holds.**"),
        "",
        "| must hold | holds | figures |",
        "|---|---|---|",
        *(
            f"| {check['name']} | {_ANSWERS[check['holds']]} | {_figures(check['figures'])} |"
            for check in found["checks"]
        ),
        "",
        "| fault | times | recovered after, s: median | 95 % | longest |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one['count']} | "
            + " | ".join(str(one.get(at, "")) for at in ("p50", "p95", "max"))
            + " |"
            for name, one in found["by_fault"].items()
        ),
        "",
        f"A live event until its list, faults included, s: {_figures(found['live_event_to_list_s'])}.",
        f"A withdrawn item still on a list, s after its withdrawal: "
        f"{_figures(found['withdrawn_still_listed_s']) or 'never'}.",
    ]
    if found["not_recovered_in_time"]:
        lines += ["", "Not within 30 s:", *(f"- {one}" for one in found["not_recovered_in_time"])]
    return "\n".join(lines) + "\n"


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if value != {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="events in all")
    parser.add_argument("--faults", type=int, default=1_000, help="faults in all, a tenth of them kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=400.0, help="events a second")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between light faults, on average")
    parser.add_argument(
        "--resume", type=Path, required=True, help="folder of all data; a run that is there goes on"
    )
    parser.add_argument("--json", type=Path, help="write the report there, for machines")
    parser.add_argument("--report", type=Path, help="write the report there, as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
