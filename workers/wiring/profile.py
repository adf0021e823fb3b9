"""The profile role, wired: events and erasures, after what is lost was restored."""

from __future__ import annotations

from collections.abc import Mapping

from streams.retention import PersonalExpiry
from streams.topic_admin import personal_topics
from workers.backoff import while_down
from workers.by_topic import ByTopic
from workers.events_to_profiles import ProfileUpdater
from workers.fenced import FenceStartPositions
from workers.person_eraser import PersonEraser
from workers.rebuild import restore_profiles
from workers.role_metrics import ProfileMetrics
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.erasures import known_erasures


async def wire_profile(around: Around) -> Wiring:
    """The profile role; waits until what is lost was restored."""
    group = "profile"
    erased = await known_erasures(around)
    role = ProfileUpdater(
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=ProfileMetrics(),
        on_set_back=around.set_back,
        erased=erased,
    )
    eraser = PersonEraser(
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        erased=erased,
        expiry=PersonalExpiry(lambda: personal_topics(around.settings)),
        keeps_marks=around.settings.privacy.later_events == "drop",
        counter_half_life_s=around.settings.recommend.popularity_half_life_days * 86_400.0,
        now=utc_now,
        on_set_back=around.set_back,
    )

    async def restore() -> None:
        prefixed = around.settings.topics.prefix + group
        await restore_profiles(around.store, around.settings, around.topics, erased, role.role, prefixed)

    def note_fences(fences: Mapping[str, int | None]) -> None:
        role.note_fences(fences)
        eraser.note_fences(fences)

    if around.was_set_back or not await while_down("fences", lambda: around.store.has_fences(role.role)):
        await while_down("restore", restore)
    starts = FenceStartPositions(role.role, around.store, note_fences)
    parts = ByTopic({around.topics.erasures: eraser, around.topics.events: role})
    return Wiring(group, [around.topics.events, around.topics.erasures], parts, starts)
