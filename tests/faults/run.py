"""A whole run: the world, the load, the faults, and the books at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.accounting import Books
from tests.faults.check import Check
from tests.faults.load import Load
from tests.faults.observer import Observer
from tests.faults.reading import read_reference
from tests.faults.recovery import RecoveryWatch
from tests.faults.reference_profiles import Reference
from tests.faults.schedule import RECOVERY_LIMIT_S, Record, Schedule
from tests.faults.world import World

QUIET_TIMEOUT_S = 400.0
JOURNAL = "journal.jsonl"
STATE = "state.json"
TIMES = "times.jsonl"
# That all comes back at all, and that withdrawn items leave lists: for a busy machine of CI, of which the
# limit of `Report.holds` would say more than of Freshet.
LIVENESS_LIMIT_S = 120.0


@dataclass
class Report:
    """What a run has found."""

    setting: dict[str, Any]
    records: list[Record]
    checks: list[Check] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    withdrawn_listed_s: list[float] = field(default_factory=list)

    @property
    def felt(self) -> list[Record]:
        """The faults that hit something."""
        return [one for one in self.records if one.felt > 0]

    @property
    def kills(self) -> int:
        """Workers killed."""
        return sum(one.is_kill for one in self.felt)

    @property
    def slow(self) -> list[Record]:
        """Faults whose work was not done within the limit."""
        return self.not_within(RECOVERY_LIMIT_S)

    def not_within(self, limit_s: float) -> list[Record]:
        """Faults whose work was not done within so many seconds."""
        return [one for one in self.felt if one.recovered_s is None or one.recovered_s > limit_s]

    @property
    def longest_listed_s(self) -> float:
        """For how long a withdrawn item was still on lists, at the longest; 0 where none ever was."""
        return max(self.withdrawn_listed_s, default=0.0)

    @property
    def holds(self) -> bool:
        """Whether every check that was made holds, and everything was in time."""
        made = [check.holds for check in self.checks if check.holds is not None]
        return bool(made) and all(made) and not self.slow and self.longest_listed_s <= RECOVERY_LIMIT_S

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "holds": self.holds,
            "setting": self.setting,
            "faults": len(self.felt),
            "kills": self.kills,
            "missed": len(self.records) - len(self.felt),
            "by_fault": by_fault(self.felt),
            "live_event_to_list_s": spread(self.waits_s),
            "withdrawn_still_listed_s": spread(self.withdrawn_listed_s),
            "checks": [asdict(check) for check in self.checks],
            "not_recovered_in_time": [one.as_json() for one in self.slow],
        }


class FaultRun:
    """Runs, and can be run again in the same folder: it goes on where it was.

    Args:
        folder: Holds all data; what an earlier run left there goes on.
        on_progress: Told of faults felt, kills, and events acknowledged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        roles: list[str],
        spare: list[str],
        events: int,
        events_per_s: float,
        grave: list[str],
        light: int,
        light_every_s: float,
        media: bool = False,
        small_disk: bool = False,
        small_kafka_disk: bool = False,
        settings: Mapping[str, Any] | None = None,
        kafka_config: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: None,
        on_progress: Callable[[int, int, int], None] = lambda faults, kills, events: None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._seed = seed
        self._roles, self._spare = roles, spare
        self._events, self._events_per_s = events, events_per_s
        self._grave, self._light, self._light_every_s = grave, light, light_every_s
        self._media = media
        self._small_disk = small_disk
        self._small_kafka_disk = small_kafka_disk
        self._kafka_config = kafka_config
        self._settings = settings
        self._say = say
        self._on_progress = on_progress
        self._records = [Record(**one) for one in _lines(folder / JOURNAL)]
        state = folder / STATE
        self._state: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {}
        self._unsure: list[tuple[int, int]] = [tuple(one) for one in self._state.get("unsure", ())]
        times = _lines(folder / TIMES)
        self._waits_s = [one["wait_s"] for one in times if "wait_s" in one]
        self._withdrawn_listed_s = [one["listed_s"] for one in times if "listed_s" in one]

    def run(self) -> Report:
        """Run to the end."""
        begin_s = time.monotonic()
        with World(
            self._folder,
            self._roles,
            spare=self._spare,
            settings=self._settings,
            small_disk=self._small_disk,
            small_kafka_disk=self._small_kafka_disk,
            kafka_config=self._kafka_config,
            say=self._say,
        ) as world:
            # As far as an earlier run has come.
            reference = self._reference_of(world) if self._state else None
            versions = {name: one.version for name, one in reference.profiles.items()} if reference else {}
            first = self._first_event(reference.event_ids) if reference else 0
            if reference:
                self._unsure.append((self._state["acknowledged"], first))
            load = Load(
                world.kafka.bootstrap_servers,
                world.names,
                seed=self._seed,
                events=self._events,
                first=first,
                events_per_s=self._events_per_s,
                versions=versions,
                media=self._media,
            )
            observer = Observer(world.kafka.bootstrap_servers, world.names, world.space, load.ledger)
            with observer, RecoveryWatch(world) as watch, load:
                self._inject(world, watch, load, observer)
                self._say("no more faults: waiting until all work is done")
                load.stop()
                quiet = self._await_quiet(world, watch, observer)
                self._keep(load, observer)
                acknowledged = load.ledger.acknowledged
            assert not load.ledger.failures, load.ledger.failures[:5]
            for problem in (load.problem, observer.problem):
                if problem is not None:
                    raise problem
            names = {one.name for one in self._records}
            books = Books(
                world,
                self._seed,
                acknowledged,
                self._unsure,
                was_emptied="Redis emptied" in names,
                models_failed="ONNX session fails" in names,
                had_releases="worker of another release" in names,
            )
            checks = [quiet, *books.check(self._say)]
        return Report(
            {
                "seed": self._seed,
                "roles": self._roles,
                "events": acknowledged,
                "events_per_s": self._events_per_s,
                "seconds": round(time.monotonic() - begin_s),
            },
            self._records,
            checks,
            self._waits_s,
            self._withdrawn_listed_s,
        )

    @staticmethod
    def _reference_of(world: World) -> Reference:
        return read_reference(world.kafka.bootstrap_servers, world.names.events)

    def _inject(self, world: World, watch: RecoveryWatch, load: Load, observer: Observer) -> None:
        schedule = Schedule(
            world,
            watch,
            seed=self._seed,
            grave=self._grave,
            light=self._light,
            light_every_s=self._light_every_s,
            done=list(self._records),
            on_record=self._note,
        )
        noted_s = 0.0
        while not (schedule.is_done and load.is_done):
            schedule.step()
            for problem in (load.problem, observer.problem):
                if problem is not None:
                    raise problem
            # What Kafka has refused is never acknowledged, and the load never done.
            assert not load.ledger.failures, load.ledger.failures[:5]
            if time.monotonic() - noted_s > 0.5:
                noted_s = time.monotonic()
                self._keep(load, observer)
                felt = [one for one in self._records if one.felt > 0]
                self._on_progress(
                    len(felt), sum(one.is_kill for one in felt), min(self._events, load.ledger.acknowledged)
                )
            time.sleep(0.01)
        self._keep(load, observer)

    def _await_quiet(self, world: World, watch: RecoveryWatch, observer: Observer) -> Check:
        """Whether every group comes to acknowledge everything, and every live event to have its list."""
        recovery = watch.after(sorted({slot.role for slot in world.slots}))
        deadline_s = time.monotonic() + QUIET_TIMEOUT_S
        again = False
        while True:
            world.poll()
            if recovery.recovered_s is not None and not observer.unanswered(time.monotonic()):
                if again:
                    return self._quiet(True, observer, watch)
                # Once more: what one role has done is work for the next.
                again, recovery = True, watch.after(sorted({slot.role for slot in world.slots}))
                time.sleep(1.0)
            if time.monotonic() > deadline_s:
                return self._quiet(False, observer, watch)
            time.sleep(0.1)

    @staticmethod
    def _quiet(holds: bool, observer: Observer, watch: RecoveryWatch) -> Check:
        figures = {
            "unanswered": observer.unanswered(time.monotonic()),
            "lag": {role: lag for role, lag in watch.lag.items() if lag},
        }
        return Check("quiet at the end: all is acknowledged, every live event has a list", holds, figures)

    def _first_event(self, ids: set[str]) -> int:
        """The number after the last that was begun."""
        return max(self._state["begun"], max((int(one[2:]) + 1 for one in ids), default=0))

    def _note(self, record: Record) -> None:
        self._records.append(record)
        with (self._folder / JOURNAL).open("a") as journal:
            journal.write(json.dumps(record.as_json()) + "\n")

    def _keep(self, load: Load, observer: Observer) -> None:
        waits_s, listed_s = observer.take_times()
        self._waits_s += waits_s
        self._withdrawn_listed_s += listed_s
        with (self._folder / TIMES).open("a") as times:
            times.writelines(json.dumps({"wait_s": round(one, 3)}) + "\n" for one in waits_s)
            times.writelines(json.dumps({"listed_s": round(one, 3)}) + "\n" for one in listed_s)
        path = self._folder / STATE
        state = {
            "begun": load.ledger.begun,
            "acknowledged": load.ledger.acknowledged,
            "unsure": self._unsure,
        }
        path.with_suffix(".new").write_text(json.dumps(state))
        path.with_suffix(".new").replace(path)


def by_fault(records: list[Record]) -> dict[str, dict[str, Any]]:
    """How often each fault was felt, and seconds until what it held up was done."""
    found: dict[str, dict[str, Any]] = {}
    for name, count in sorted(Counter(one.name for one in records).items()):
        times = [one.recovered_s for one in records if one.name == name]
        known = [one for one in times if one is not None]
        found[name] = {"count": count, "not_recovered": len(times) - len(known), **spread(known)}
    return found


def spread(seconds: list[float]) -> dict[str, Any]:
    """Median, 95th and 99th percentile, and the largest."""
    if not seconds:
        return {}
    ordered = sorted(seconds)

    def at(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 2)

    return {"n": len(ordered), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 2)}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Those of a journal. A last one that was half written when the run was stopped is taken off it."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]
