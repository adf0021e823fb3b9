"""Events for the tests of profiles and lists."""

from __future__ import annotations

from hypothesis import strategies as st

from models.profile import (
    Profile,
    ProfileEvent,
    SourcePosition,
    TransitionSettings,
    apply_events,
    new_profile,
)

SETTINGS = TransitionSettings()
NOW_MS = 1_760_000_000_000
HOUR_MS = 3_600_000
TOPIC = "Xq3vT0aZSfCk9bYw1mPd7g"


def event(
    number: int,
    item_id: str = "",
    action: str = "click",
    *,
    hours_ago: float = 0.0,
    value: float | None = None,
    event_id: str = "",
    source: SourcePosition | None = None,
) -> ProfileEvent:
    """An event with an id of its own."""
    occurred_at_ms = round(NOW_MS - hours_ago * HOUR_MS)
    item_id = item_id or f"item-{number:05}"
    return ProfileEvent(event_id or f"event-{number:06}", item_id, action, occurred_at_ms, value, source)


def profile_of(*events: ProfileEvent, settings: TransitionSettings = SETTINGS) -> Profile:
    """A stranger's profile after these events."""
    return apply_events(new_profile("anna"), events, settings)[0]


@st.composite
def distinct_events(draw: st.DrawFn, max_size: int = 30) -> list[ProfileEvent]:
    """Events with ids of their own, of few items at few times, so that ties and repeats are common."""
    actions = st.sampled_from([*SETTINGS.actions, "share", "impression"])
    count = draw(st.integers(0, max_size))
    return [
        event(
            number,
            draw(st.sampled_from("abcdefgh")),
            draw(actions),
            hours_ago=draw(st.integers(0, 5)),
            value=draw(st.none() | st.floats(-10, 10)),
        )
        for number in range(count)
    ]
