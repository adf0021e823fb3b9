"""Faults of a worker's process."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.injectors.fault import Fault
from tests.faults.slot import Slot


class _OfSlot(Fault):
    def __init__(self, slot: Slot, duration_s: float = 0.0) -> None:
        super().__init__(slot.name, [slot.role], duration_s)
        self._slot = slot
        self._felt = 0

    def is_back(self) -> bool:
        return self._slot.is_ready


class _Ended(_OfSlot):
    """A process ends, and the supervisor starts another."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(slot)
        self._starts = 0

    def is_back(self) -> bool:
        # The old one may still answer for a moment.
        return (self._felt == 0 or self._slot.restarts > self._starts) and self._slot.is_ready

    def heal(self) -> int:
        return self._felt


class Kill(_Ended):
    """SIGKILL."""

    name = "worker killed"
    is_kill = True

    def inject(self) -> None:
        self._starts = self._slot.restarts
        self._felt = self._slot.kill()


class Restart(_Ended):
    """SIGTERM, as in a rolling restart."""

    name = "worker restarted"

    def inject(self) -> None:
        self._starts = self._slot.restarts
        self._felt = self._slot.terminate()


class ReleaseChanged(Restart):
    """SIGTERM, and another release is started in its place: upgraded, or rolled back."""

    name = "worker of another release"

    def __init__(self, slot: Slot, release: Path) -> None:
        super().__init__(slot)
        self._release = release

    def inject(self) -> None:
        self._slot.release = self._release
        super().inject()


class Stall(_OfSlot):
    """SIGSTOP, and SIGCONT before the group has given it up."""

    name = "worker stalled"

    def inject(self) -> None:
        self._felt = self._slot.suspend()

    def heal(self) -> int:
        self._slot.resume()
        return self._felt


class Zombie(Stall):
    """SIGSTOP past the session time-out: others take over, then it goes on where it was."""

    name = "worker a zombie"


class ClockJump(_OfSlot):
    """The worker's wall clock is wrong by this much for a while."""

    name = "clock jumped"

    def __init__(self, slot: Slot, duration_s: float, offset_s: float) -> None:
        super().__init__(slot, duration_s)
        self._offset_s = offset_s

    def inject(self) -> None:
        self._felt = self._slot.switches.clock_reads
        self._slot.switches.clock_offset_s = self._offset_s

    def heal(self) -> int:
        self._slot.switches.clock_offset_s = 0.0
        return self._slot.switches.clock_reads - self._felt


class ModelFails(_OfSlot):
    """ONNX Runtime raises on every input for a while."""

    name = "ONNX session fails"

    def inject(self) -> None:
        self._felt = self._slot.switches.model_failures
        self._slot.switches.models_fail = True

    def heal(self) -> int:
        self._slot.switches.models_fail = False
        return self._slot.switches.model_failures - self._felt


class RebalanceStorm(Fault):
    """Workers join and leave again and again."""

    name = "rebalance storm"

    def __init__(self, spare: list[Slot], rounds: int) -> None:
        super().__init__(", ".join(slot.name for slot in spare), sorted({slot.role for slot in spare}))
        self._spare = spare
        self._rounds = rounds
        self._felt = 0

    def inject(self) -> None:
        for _ in range(self._rounds):
            for slot in self._spare:
                slot.start()
            for slot in self._spare:
                slot.await_ready()
                self._felt += 1
            time.sleep(0.5)
            for slot in self._spare:
                slot.stop()
                self._felt += 1

    def heal(self) -> int:
        return self._felt
