"""The join role, wired."""

from __future__ import annotations

from functools import partial

from workers.fenced import FenceStartPositions
from workers.join_metrics import JoinMetrics
from workers.lists_to_outcomes import OutcomeJoiner
from workers.outcome_logs import published_outcomes
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.erasures import known_erasures


async def wire_join(around: Around) -> Wiring:
    """The join role."""
    role = OutcomeJoiner(
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=JoinMetrics(),
        on_set_back=around.set_back,
        erased=await known_erasures(around),
        published=partial(published_outcomes, around.settings),
    )
    starts = FenceStartPositions(role.role, around.store, role.note_fences)
    return Wiring("join", [around.topics.recommendations, around.topics.profiles], role, starts)
