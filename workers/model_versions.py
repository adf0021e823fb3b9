"""The versions of models as people see them: what serves, what gets ready, what is refused and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from models.bundle_kind import BundleKind
from models.errors import ManifestError
from models.lifecycle import NEEDED_ROLES, START, Lifecycle, ModelRef
from models.lifecycles import Lifecycles, Start
from models.user.bundle import read_user_manifest
from streams.settings import Settings
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.model_reports import USER_MODELS, ModelReport, decode_reports
from workers.state.redis_store import RedisStateStore


@dataclass(frozen=True)
class ModelVersion:
    """A version.

    Attributes:
        model: ``name@version``.
        kind: Of what it is a version.
        state: announced, preparing, active, previous or refused.
        checked_by: Live workers that have loaded it and found it good.
        detail: What it waits for, or why it is refused.
    """

    model: str
    kind: BundleKind
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


def start_of(settings: Settings) -> Start:
    """What the settings say. A user model that is not on this machine is left out."""
    fusion = fusion_in_use(settings, encoder_registry(settings))
    folder = settings.recommend.user_model
    space = None
    if folder is not None:
        with suppress(ManifestError):
            space = read_user_manifest(folder).space
    return Start(fusion.space, fusion.dimension, space)


def model_versions(
    settings: Settings, state: Lifecycles, reports: Sequence[ModelReport]
) -> list[ModelVersion]:
    """Every version that is known: fusions, what the settings say first, then user models."""
    start = start_of(settings)
    fusions = state.fusions
    refs = sorted({START, fusions.active_ref, *fusions.bundles}, key=lambda one: (one != START, one))
    rows = [_row(fusions, ref, "fusion", start, _detail(fusions, ref, reports), reports) for ref in refs]
    for space, users in sorted(state.users.items()):
        for ref in sorted({*users.bundles, users.active_ref} - {START}):
            detail = _user_detail(state, space, ref, start, reports)
            row = _row(users, ref, "user_model", start, detail, reports)
            takes_over = row.state == "announced" and state.user_target(space, start) == ref
            rows.append(replace(row, state="preparing") if takes_over else row)
    return rows


def _row(
    state: Lifecycle,
    ref: ModelRef,
    kind: BundleKind,
    start: Start,
    detail: str,
    reports: Sequence[ModelReport],
) -> ModelVersion:
    bundle = state.bundle(ref)
    return ModelVersion(
        model=str(ref),
        kind=kind,
        state=state.phase(ref) or "unknown",
        space=start.space if bundle is None else bundle.space,
        dimension=start.dimension if bundle is None else bundle.dimension,
        checked_by=sum(_has_checked(report, ref) for report in reports),
        detail=detail,
        uri=None if bundle is None else bundle.uri,
        sha256=None if bundle is None else bundle.sha256,
    )


def _has_checked(report: ModelReport, ref: ModelRef) -> bool:
    # What the settings say every worker has; one that lists by user models too reports of them apart.
    return report.role != USER_MODELS if ref == START else str(ref) in report.checked


def _user_detail(
    state: Lifecycles, space: str, ref: ModelRef, start: Start, reports: Sequence[ModelReport]
) -> str:
    users = state.users_of(space)
    refusal, bundle = users.refusal(ref), users.bundle(ref)
    if refusal is not None:
        return refusal.reason
    own = [report for report in reports if report.role == USER_MODELS]
    ready = sum(bundle is not None and one.ready.get(str(ref)) == bundle.sha256 for one in own)
    if ref == users.active_ref:
        serving = state.serving_space(start)
        if space != serving:
            return f"rests: lists are of the space {serving}"
        return f"{len(own) - ready} recommend workers have not loaded it" if ready < len(own) else ""
    if ref != state.user_target(space, start):
        return ""
    return f"{ready} of {len(own)} workers are ready" if own else "no recommend worker is live: start one"


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
