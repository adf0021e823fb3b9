"""The versions of models as people see them: what serves, what gets ready, what is refused and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from models.lifecycle import NEEDED_ROLES, START, Lifecycle, ModelRef
from streams.settings import Settings
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.model_reports import ModelReport, decode_reports
from workers.serving_space import space_of
from workers.state.redis_store import RedisStateStore


@dataclass(frozen=True)
class ModelVersion:
    """A version.

    Attributes:
        model: ``name@version``.
        state: announced, preparing, active, previous or refused.
        checked_by: Live workers that have loaded it and found it good.
        detail: What it waits for, or why it is refused.
    """

    model: str
    state: str
    space: str
    dimension: int
    checked_by: int
    detail: str
    uri: str | None
    sha256: str | None


def live_reports(settings: Settings) -> list[ModelReport]:
    """What the live workers say.

    Raises:
        DependencyDownError: Redis does not answer.
    """

    async def read() -> dict[str, bytes]:
        store = RedisStateStore(settings.redis, settings.topics.prefix)
        try:
            return await store.reports()
        finally:
            await store.aclose()

    return list(decode_reports(asyncio.run(read())).values())


def model_versions(
    settings: Settings, state: Lifecycle, reports: Sequence[ModelReport]
) -> list[ModelVersion]:
    """Every version that is known, what the settings say first."""
    start = fusion_in_use(settings, encoder_registry(settings))
    rows = []
    for ref in sorted({START, state.active_ref, *state.bundles}, key=lambda one: (one != START, one)):
        bundle = state.bundle(ref)
        space, dimension = space_of(state, ref, lambda: start)
        rows.append(
            ModelVersion(
                model=str(ref),
                state=state.phase(ref) or "unknown",
                space=space,
                dimension=dimension,
                checked_by=sum(ref == START or str(ref) in report.checked for report in reports),
                detail=_detail(state, ref, reports),
                uri=None if bundle is None else bundle.uri,
                sha256=None if bundle is None else bundle.sha256,
            )
        )
    return rows


def _detail(state: Lifecycle, ref: ModelRef, reports: Sequence[ModelReport]) -> str:
    refusal = state.refusal(ref)
    if refusal is not None:
        return refusal.reason
    if ref == state.active_ref:
        others = sum(report.role == "recommend" and report.serving != str(ref) for report in reports)
        return f"{others} recommend workers still make lists by another" if others else ""
    if ref != state.target:
        return ""
    needed = [report for report in reports if report.role in NEEDED_ROLES]
    missing = sorted({*NEEDED_ROLES} - {report.role for report in needed})
    if missing:
        return f"no {' and no '.join(missing)} worker is live: start one"
    bundle = state.bundle(ref)
    wanted = (str(ref), None if bundle is None else bundle.sha256)
    ready = sum((report.ready_for, report.ready_sha256) == wanted for report in needed)
    waits = sorted({report.detail for report in needed if report.detail})
    return "; ".join([f"{ready} of {len(needed)} workers are ready", *waits])
