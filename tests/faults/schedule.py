"""Which faults, when, and where: all of it follows from a seed.

Two tracks at once. On the grave one, one fault after the other: each waits until the work that the last one
held up is done. On the light one, short faults of single workers, some at a time, meanwhile.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.injectors.fault import Fault
from tests.faults.injectors.network import Cut, LongCut, LostReply, RedisRefuses, Reset, Slow
from tests.faults.injectors.processes import (
    ClockJump,
    Kill,
    ModelFails,
    RebalanceStorm,
    ReleaseChanged,
    Restart,
    Stall,
    Zombie,
)
from tests.faults.injectors.servers import (
    KafkaDiskFull,
    KafkaKilled,
    KafkaStalled,
    PartitionsAdded,
    RedisDiskFull,
    RedisEmptied,
    RedisKilled,
    RedisOutOfMemory,
    RedisReadOnly,
    RedisSetBack,
    RedisStalled,
    RedisWithoutReplicas,
    snapshot_of_redis,
)
from tests.faults.recovery import Recovery, RecoveryWatch
from tests.faults.slot import REPOSITORY, Slot
from tests.faults.world import SESSION_TIMEOUT_S, World

KILLED_PART = 0.1
# Each so many times in a thousand faults, once at least where there are grave ones at all.
GRAVE_OF_A_THOUSAND = {
    "zombie": 16,
    "long cut": 8,
    "Kafka killed": 6,
    "Kafka stalled": 6,
    "Redis killed": 6,
    "Redis emptied": 3,
    "Redis set back": 3,
    "Redis stalled": 6,
    "Redis out of memory": 6,
    "Redis read-only": 6,
    "Redis without replicas": 6,
    "Redis disk full": 6,
    "rebalance storm": 3,
    "rolling restart": 2,
    "rolling upgrade": 1,
    "rolling downgrade": 1,
    "partitions added": 2,
}
# Where messages flow, a fault is felt.
BUSY_ROLES = ("profile", "recommend", "join", "fuse", "text")
LIGHT_KINDS = (*("cut", "reset", "lost") * 2, "slow", "stall", "refused", "clock", "model")
# Seconds by role: of items with a picture, a sound or a film one changes in about ten seconds.
MODEL_FAILS_S = {"text": 1.0, "image": 6.0, "audio": 6.0, "video": 6.0}
RECOVERY_LIMIT_S = 30.0
GIVE_UP_S = 240.0
LIGHT_AT_ONCE = 3
PAUSE_AFTER_GRAVE_S = 0.5


@dataclass(frozen=True)
class Record:
    """A fault that is over. Times in seconds; ``recovered_s`` None: not within the time that was waited."""

    track: str
    number: int
    name: str
    target: str
    felt: int
    is_kill: bool
    at_s: float
    recovered_s: float | None

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


def grave_plan(seed: int, faults: int, slots: int, kinds: Counter[str] | None = None) -> list[str]:
    """The grave faults of a run, in order: ``kill N`` of slot N, and kinds."""
    shuffled = random.Random(seed)
    kills = [f"kill {number % slots}" for number in range(round(faults * KILLED_PART))]
    wanted = (
        kinds
        if kinds is not None
        else Counter(
            {kind: max(1, round(count * faults / 1_000)) for kind, count in GRAVE_OF_A_THOUSAND.items()}
        )
    )
    plan = [*kills, *wanted.elements()]
    shuffled.shuffle(plan)
    return plan


class Schedule:
    """Injects faults, one step at a time, from the main thread: servers and workers end with it.

    Args:
        light: Light faults that are felt, in all.
        light_every_s: Between two of them, on average.
        done: What an earlier run has done already.
        on_record: Told of each fault when its end is known.
    """

    def __init__(
        self,
        world: World,
        watch: RecoveryWatch,
        *,
        seed: int,
        grave: list[str],
        light: int,
        light_every_s: float,
        done: list[Record],
        on_record: Callable[[Record], None],
    ) -> None:
        self._world = world
        self._watch = watch
        self._seed = seed
        self._grave = grave
        self._light = light
        self._light_every_s = light_every_s
        self._on_record = on_record
        self._begin_s = time.monotonic()
        self._grave_number = max((one.number for one in done if one.track == "grave"), default=-1) + 1
        self._light_number = max((one.number for one in done if one.track == "light"), default=-1) + 1
        self._light_felt = sum(one.track == "light" and one.felt > 0 for one in done)
        self._active: list[_Active] = []
        self._recovering: list[_Active] = []
        self._current: _Active | None = None
        self._next_light_s = 0.0
        self._next_grave_s = 0.0
        self._polled_s = 0.0
        self._snapshot: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether all faults were injected, and what they held up is done."""
        return (
            self._grave_number >= len(self._grave)
            and self._light_felt >= self._light
            and not self._active
            and not self._recovering
            and self._current is None
        )

    def step(self) -> None:
        """What is due now."""
        now_s = time.monotonic()
        if now_s - self._polled_s > 0.2:
            self._world.poll()
            self._polled_s = now_s
        self._end_light(now_s)
        self._settle(now_s)
        self._step_grave(now_s)
        if self._current is None or not self._current.holds_all:
            self._begin_light(now_s)

    # The light track

    def _begin_light(self, now_s: float) -> None:
        felt_soon = self._light_felt + len(self._active)
        if felt_soon >= self._light or now_s < self._next_light_s or len(self._active) >= LIGHT_AT_ONCE:
            return
        if self._is_grave_next():
            return
        chance = random.Random(f"{self._seed} light {self._light_number}")
        self._next_light_s = now_s + chance.expovariate(1.0 / self._light_every_s)
        taken = {one.fault.target for one in self._active}
        if self._current is not None:
            taken.update(self._current.fault.target.split(", "))
        free = [slot for slot in self._world.slots if slot.name not in taken and slot.is_running]
        if not free:
            return
        weights = [4.0 if slot.role in BUSY_ROLES else 1.0 for slot in free]
        slot = chance.choices(free, weights)[0]
        fault = light_fault(slot, chance)
        self._active.append(_Active("light", self._light_number, fault, now_s))
        self._light_number += 1
        fault.inject()

    def _end_light(self, now_s: float) -> None:
        for one in [one for one in self._active if now_s >= one.begin_s + one.fault.duration_s]:
            self._active.remove(one)
            self._heal(one)
            self._light_felt += one.felt > 0

    def _is_grave_next(self) -> bool:
        """Whether the next grave fault concerns all, and waits for the light ones to end."""
        number = self._grave_number
        return (
            self._current is None
            and number < len(self._grave)
            and time.monotonic() >= self._next_grave_s
            and not self._grave[number].startswith(("kill", "zombie", "long cut"))
        )

    # The grave track

    def _step_grave(self, now_s: float) -> None:
        current = self._current
        if current is None:
            if self._grave_number < len(self._grave) and now_s >= self._next_grave_s:
                self._begin_grave(now_s)
            return
        if current.recovery is None:
            if now_s >= current.begin_s + current.fault.duration_s:
                self._heal(current)
        elif current not in self._recovering:
            self._current = None
            self._next_grave_s = now_s + PAUSE_AFTER_GRAVE_S

    def _begin_grave(self, now_s: float) -> None:
        kind = self._grave[self._grave_number]
        concerns_all = self._is_grave_next()
        if concerns_all and self._active:
            return
        chance = random.Random(f"{self._seed} grave {self._grave_number}")
        taken = {one.fault.target for one in self._active}
        faults = self._grave_faults(kind, chance)
        if any(fault.target in taken for fault in faults):
            return
        self._world.say(f"grave fault {self._grave_number + 1} of {len(self._grave)}: {kind}")
        for fault in faults[:-1]:
            # One worker after the other, the next when the last is back: a rollout.
            one = _Active("grave", self._grave_number, fault, time.monotonic())
            fault.inject()
            self._heal(one)
            self._await_back(one)
        one = _Active("grave", self._grave_number, faults[-1], time.monotonic(), concerns_all)
        self._grave_number += 1
        self._current = one
        faults[-1].inject()

    def _await_back(self, one: _Active) -> None:
        deadline_s = time.monotonic() + GIVE_UP_S
        while not one.fault.is_back():
            self._world.poll()
            self._settle(time.monotonic())
            if time.monotonic() > deadline_s:
                # It is recorded as not recovered.
                return
            time.sleep(0.05)

    def _grave_faults(self, kind: str, chance: random.Random) -> list[Fault]:
        world = self._world
        if kind.startswith("kill "):
            return [Kill(world.slots[int(kind.removeprefix("kill "))])]
        busy = [slot for slot in world.slots if slot.role in BUSY_ROLES]
        past_session_s = SESSION_TIMEOUT_S + chance.uniform(1.0, 3.0)
        match kind:
            case "zombie":
                return [Zombie(chance.choice(busy), past_session_s)]
            case "long cut":
                return [LongCut(chance.choice(busy), "Kafka", past_session_s)]
            case "Kafka killed":
                return [KafkaKilled(world, chance.uniform(0.0, 2.0))]
            case "Kafka disk full":
                return [KafkaKilled(world, 0.0) if world.kafka_disk is None else KafkaDiskFull(world)]
            case "Kafka stalled":
                return [KafkaStalled(world, chance.uniform(1.0, 5.0))]
            case "Redis killed":
                return [RedisKilled(world, chance.uniform(0.0, 2.0))]
            case "Redis emptied":
                return [RedisEmptied(world, chance.uniform(0.0, 2.0))]
            case "Redis set back":
                if self._snapshot is None:
                    self._snapshot = snapshot_of_redis(world, world.folder / "redis-snapshot")
                    time.sleep(3.0)
                snapshot, self._snapshot = self._snapshot, None
                return [RedisSetBack(world, snapshot, chance.uniform(0.0, 2.0))]
            case "Redis stalled":
                return [RedisStalled(world, chance.uniform(1.0, 7.0))]
            case "Redis out of memory":
                return [RedisOutOfMemory(world, chance.uniform(1.0, 3.0))]
            case "Redis read-only":
                return [RedisReadOnly(world, chance.uniform(1.0, 3.0))]
            case "Redis without replicas":
                return [RedisWithoutReplicas(world, chance.uniform(1.0, 3.0))]
            case "Redis disk full":
                if world.redis_disk is None:
                    return [RedisWithoutReplicas(world, chance.uniform(1.0, 3.0))]
                return [RedisDiskFull(world, chance.uniform(1.0, 3.0))]
            case "rebalance storm":
                return [RebalanceStorm(world.spare, 2)]
            case "rolling restart":
                return [Restart(slot) for slot in world.slots]
            case "rolling upgrade":
                return [ReleaseChanged(slot, world.next_release) for slot in world.slots]
            case "rolling downgrade":
                return [ReleaseChanged(slot, REPOSITORY) for slot in world.slots]
            case "partitions added":
                return [PartitionsAdded(world)]
        raise ValueError(f"there is no grave fault `{kind}`")

    # Both

    def _heal(self, one: _Active) -> None:
        one.felt = one.fault.heal()
        one.recovery = self._watch.after(one.fault.roles, one.fault.is_back)
        self._recovering.append(one)

    def _settle(self, now_s: float) -> None:
        for one in list(self._recovering):
            recovery = one.recovery
            assert recovery is not None
            if recovery.recovered_s is None and now_s - recovery.healed_s < GIVE_UP_S:
                continue
            self._recovering.remove(one)
            fault = one.fault
            at_s = round(one.begin_s - self._begin_s, 2)
            recovered_s = None if recovery.recovered_s is None else round(recovery.recovered_s, 2)
            self._on_record(
                Record(
                    one.track,
                    one.number,
                    fault.name,
                    fault.target,
                    one.felt,
                    fault.is_kill,
                    at_s,
                    recovered_s,
                )
            )


@dataclass(eq=False)
class _Active:
    track: str
    number: int
    fault: Fault
    begin_s: float
    holds_all: bool = False
    felt: int = 0
    recovery: Recovery | None = None


def light_fault(slot: Slot, chance: random.Random) -> Fault:
    """A short fault of one worker."""
    short_s = chance.uniform(0.05, 0.5)
    to = chance.choice(("Kafka", "Redis"))
    match chance.choice(LIGHT_KINDS):
        case "cut":
            return Cut(slot, to, short_s)
        case "reset":
            return Reset(slot, to, short_s)
        case "slow":
            return Slow(slot, to, 1.0, chance.uniform(0.02, 0.2))
        case "stall":
            return Stall(slot, chance.uniform(1.0, 3.0))
        case "refused":
            return RedisRefuses(slot, chance.uniform(0.3, 1.0), chance.choice(RedisRefuses.ERRORS))
        case "lost":
            return LostReply(slot, to, 1.0)
        case "clock":
            return ClockJump(slot, 1.0, chance.choice((-3_600.0, -60.0, 60.0, 300.0)))
        case _:
            model_s = MODEL_FAILS_S.get(slot.role)
            return Cut(slot, to, short_s) if model_s is None else ModelFails(slot, model_s)
