"""Journals for tests, in a few words."""

from datetime import UTC, datetime

from streams.messages import Cause, Event, Item, Media, Reason, Recommendation, RecommendedItem
from workers.demo.journal import Journal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def item(item_id: str, *tags: str, title: str = "title", kinds: tuple[str, ...] = ()) -> Item:
    media = [Media(kind=kind, uri=f"file:///{kind}") for kind in kinds]
    return Item(item_id=item_id, title=title, media=media, attributes={"tags": list(tags)})


def event(user_id: str, number: int, item_id: str = "x", action: str = "click") -> Event:
    return Event(
        event_id=f"{user_id}-{number}", user_id=user_id, item_id=item_id, action=action, occurred_at=NOW
    )


def received(
    journal: Journal, user_id: str, version: int, at_s: float, *item_ids: str, kind: str = "event"
) -> None:
    journal.list_received(
        Recommendation(
            recommendation_id=f"r-{user_id}-{version}",
            user_id=user_id,
            profile_version=version,
            cause=Cause(kind=kind, id=f"{user_id}-{version}"),
            items=[
                RecommendedItem(item_id=one, score=1.0, reasons=[Reason(kind="r", contribution=1.0)])
                for one in item_ids
            ],
            model="m",
            generated_at=NOW,
            complete=True,
        ),
        at_s,
    )
