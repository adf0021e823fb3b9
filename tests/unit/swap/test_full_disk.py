"""A worker without room for temporary files: a bundle is refused with the reason, and what serves goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.lifecycle import START, Announced, Wanted
from tests.unit.full_disk import full_disk
from tests.unit.swap.random_fusion import write_bundle
from tests.unit.swap.test_active_models import Worker
from tests.unit.swap.test_bundles import SPECS, announced, loader
from workers import bundle_shelf


async def report_once(worker: Worker, is_there: Callable[[Any], bool]) -> Any:
    """The worker's report once something holds of it. A bundle is loaded by a thread."""
    async with asyncio.timeout(30):
        while not is_there(report := await worker.rounds(1)):
            await asyncio.sleep(0.01)
    return report


async def test_a_bundle_is_refused_and_taken_when_it_is_wanted_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_shelf, "_FETCH_AGAIN_S", 0.0)
    source = tmp_path / "source"
    write_bundle(source, SPECS)
    bundle = announced(tmp_path, source)
    worker = Worker(loader(tmp_path))
    worker.records.say(Announced(bundle))
    with full_disk() as not_written:
        report = await report_once(worker, lambda report: bool(worker.refusals()))
    assert len(not_written) == bundle_shelf._FETCHES
    (refusal,) = worker.refusals()
    assert "No space left on device" in refusal.reason
    assert (report.serving, report.checked, worker.anew) == (str(START), [], 0)
    worker.records.say(Wanted(bundle.ref))
    report = await report_once(worker, lambda report: report.ready_for is not None)
    assert report.ready_for == str(bundle.ref)
    await worker.role.stop()
