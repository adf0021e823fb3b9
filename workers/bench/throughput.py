"""Part (a): records/s of each role from a backlog, beside a plain aiokafka loop that does the same work.

`in` decodes an event and lets go of it, `one_in_one_out` publishes it again too; their baselines are
`plain_loops.count` and `plain_loops.echo`. The profile role's baseline is a straight line with the same
commands to Redis, `plain_loops.update_profiles`; that of the other roles is the role's own work in a plain
loop, so what their ratio shows is the cost of the driver and the metrics. Both sides are processes of their
own that read a backlog of the same records from topics of their own, turn about; a figure is the median of
the rounds.

Nothing is warmed up but what a worker has before its first record, such as indexes, models and connections:
the clock of each process starts when its first batch is there, and what that costs more than others is in
the figure, on both sides.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streams.errors import DefectError
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from workers.bench.backlogs import fill
from workers.bench.clock import Taken
from workers.bench.loop_process import Spec, run_loop
from workers.bench.percentiles import median
from workers.bench.rows import Row, row
from workers.bench.run import Bench
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment

_FLAGS: dict[str, Flags] = {
    # No list is left out for being late or one too many.
    "explain": {
        "explain": {"backlog_lists": 10_000, "max_wait_s": 50.0},
        "worker": {"max_in_flight_records": 20_000},
    },
    # Trainings of sources take a thread of their own, for as long as they need.
    "learn": {"learn": {"first_refit_events": 1_000_000_000}},
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """A kind of work, and how many records of it are read in each size."""

    work: str
    tiny: int
    short: int
    long: int
    unit: str = "records/s"


BACKLOGS = (
    Backlog("in", 2_000, 100_000, 500_000),
    Backlog("one_in_one_out", 2_000, 60_000, 200_000),
    Backlog("profile", 1_000, 30_000, 100_000, "events/s"),
    Backlog("recommend", 200, 3_000, 10_000, "lists/s"),
    Backlog("explain", 100, 2_000, 4_000, "lists/s"),
    Backlog("learn", 100, 600, 3_000, "events/s"),
    Backlog("fuse", 400, 10_000, 50_000),
    Backlog("join", 400, 10_000, 40_000),
    Backlog("text", 200, 4_000, 20_000, "items/s"),
    Backlog("image", 20, 400, 2_000, "items/s"),
    Backlog("audio", 10, 150, 600, "items/s"),
    Backlog("video", 5, 60, 300, "items/s"),
)


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    rounds = bench.sized(tiny=1, short=2, long=3)
    rows: list[Row] = []
    with bench.deployment({}) as deployment:
        log = deployment.data_folder / "loops.log"
        for backlog in BACKLOGS:
            records = bench.sized(tiny=backlog.tiny, short=backlog.short, long=backlog.long)
            taken: dict[str, list[Taken]] = {"freshet": [], "plain": []}
            for turn in range(rounds):
                for through in ("freshet", "plain") if turn % 2 else ("plain", "freshet"):
                    one = _run(bench, deployment, backlog.work, through, records, log)
                    taken[through].append(one)
                    bench.say(
                        f"  {backlog.work}, {through}: {one.per_s:,.0f} {backlog.unit}, "
                        f"{one.processor_us:,.1f} µs of processor time each"
                    )
                    deployment.poll()
            rows += _rows(backlog, taken["freshet"], taken["plain"], rounds)
    return rows


def _rows(backlog: Backlog, ours: Sequence[Taken], plain: Sequence[Taken], rounds: int) -> list[Row]:
    setting: dict[str, str | int | float] = {"records": ours[0].records, "rounds": rounds}
    return [
        row(
            backlog.work,
            median([one.per_s for one in ours]),
            backlog.unit,
            median([one.per_s for one in plain]),
            setting,
        ),
        row(
            f"{backlog.work}_processor_time",
            median([one.processor_us for one in ours]),
            "µs/record",
            median([one.processor_us for one in plain]),
            setting,
        ),
    ]


def _run(
    bench: Bench,
    deployment: LocalDeployment,
    work: str,
    through: Literal["freshet", "plain"],
    records: int,
    log: Path,
) -> Taken:
    """One loop over topics and state of its own."""
    flags = _flags(deployment, f"b{secrets.token_hex(4)}.", work)
    settings = load_settings(bench.config, **flags)
    create_topics(settings, [fusion_in_use(settings, encoder_registry(settings)).space])
    found = asyncio.run(fill(work, settings, records))
    topics = TopicNames(settings.topics.prefix)
    target = topics.profiles if work == "one_in_one_out" else ""
    taken = run_loop(Spec(work, through, found, topics.events, target), flags, bench.config, log)
    if work == "explain":
        _check_explained(settings, topics.explanations, found)
    return taken


def _check_explained(settings: Settings, topic: str, lists: int) -> None:
    """A list that is passed over counts as done, and costs nothing."""
    with closing(TopicReader(settings.kafka, topic, "beginning")) as reader:
        explained = sum(1 for _ in reader.read_to_end())
    if explained < lists:
        raise DefectError(f"{lists - explained:,} of {lists:,} lists were passed over")


def _flags(deployment: LocalDeployment, prefix: str, work: str) -> Flags:
    settings = deployment.settings
    own: Flags = {
        "kafka": {"bootstrap_servers": settings.kafka.bootstrap_servers},
        "redis": {"url": settings.redis.url.get_secret_value()},
        "topics": {"prefix": prefix},
        # Recommending is measured as lists are cheapest: the rest is the cascade's own benchmark.
        "recommend": {"ranker": "base"},
    }
    return merged(deployment.flags, merged(own, _FLAGS.get(work, {})))
