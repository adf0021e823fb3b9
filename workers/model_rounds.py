"""Looking after models from time to time, and saying to others how far this worker is."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from abc import ABC, abstractmethod
from contextlib import suppress

import structlog

from streams.errors import DependencyDownError
from streams.settings import Settings
from workers.model_reports import ModelReport, encode_report
from workers.state.store import StateStore

LIVE_REPORTS = 10
"""A worker that has left out so many reports is gone."""
ROUND_S = 0.25

_log = structlog.get_logger()


class ModelRounds(ABC):
    """A task that goes on whatever happens."""

    role: str

    def __init__(self, store: StateStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.worker = f"{self.role}/{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._task: asyncio.Task[None] | None = None
        self._reported_s = 0.0
        self._reported: ModelReport | None = None

    @abstractmethod
    async def round(self) -> None:
        """Do what there is to do by now. Must not wait long."""

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="models")

    async def stop(self) -> None:
        """Stop, and count as live no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(DependencyDownError):
            await self.store.end_report(self.worker)

    async def tell(self, report: ModelReport) -> bool:
        """Everybody is told at once of what matters, and of progress from time to time; whether now."""
        now_s = asyncio.get_running_loop().time()
        said = self._reported
        matters = said is None or _heeded(said) != _heeded(report)
        if not matters and now_s - self._reported_s < self.settings.models.report_s:
            return False
        for_s = self.settings.models.report_s * LIVE_REPORTS
        await self.store.report(self.worker, encode_report(report), for_s)
        self._reported, self._reported_s = report, now_s
        return True

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            except DependencyDownError as error:
                _log.warning("what this worker is ready for cannot be told", error=str(error))
            except Exception:
                _log.exception("defect while looking after models, trying again")
            await asyncio.sleep(ROUND_S)


def _heeded(report: ModelReport) -> tuple[object, ...]:
    """What others wait for."""
    return report.serving, report.ready_for, report.ready_sha256, report.ready
