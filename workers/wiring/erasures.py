"""Who was forgotten, as a role that keeps state has to know before it begins."""

from __future__ import annotations

from workers.backoff import while_down
from workers.erased_people import ErasedPeople
from workers.rebuild import restore_erasures
from workers.wiring.around import Around


async def known_erasures(around: Around) -> ErasedPeople:
    """Everybody who was forgotten, by the state store and by what Kafka holds, which may know more."""
    erased = ErasedPeople(around.settings.privacy)
    await while_down(
        "erasures", lambda: restore_erasures(around.store, around.settings, around.topics, erased)
    )
    return erased
