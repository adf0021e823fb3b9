"""Messages about an item may cross in any way: the newest declaration and its features win."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from streams.internal_messages import (
    FeatureMessage,
    ItemDeclared,
    ItemFeature,
    ItemFeatureFailed,
    ItemVersion,
)
from workers.state.item import ItemState, apply, decode_item_state, encode_item_state


def version(offset: int, partition: int = 0, generation: int = 1) -> ItemVersion:
    return ItemVersion(generation, partition, offset, offset)


def declared(offset: int, **sources: str) -> ItemDeclared:
    return ItemDeclared(item_id="a", version=version(offset), title=f"title {offset}", sources=sources)  # type: ignore[arg-type]


def withdrawn(offset: int) -> ItemDeclared:
    return ItemDeclared(item_id="a", version=version(offset), withdrawn=True)


def feature(offset: int, modality: str, source: str) -> ItemFeature:
    return ItemFeature(
        item_id="a",
        version=version(offset),
        modality=modality,  # type: ignore[arg-type]
        encoder="e",
        source_hash=source,
        content_hash=source,
        vector=f"{modality}{source}".encode(),
    )


def failed(offset: int, modality: str, source: str) -> ItemFeatureFailed:
    return ItemFeatureFailed(
        item_id="a",
        version=version(offset),
        modality=modality,
        encoder="e",
        source_hash=source,  # type: ignore[arg-type]
    )


def after(*messages: FeatureMessage) -> ItemState:
    state = ItemState()
    for message in messages:
        state = apply(state, message)
    return state


def seen(state: ItemState) -> tuple[object, ...]:
    return (
        state.declared,
        state.withdrawn,
        state.title,
        {modality: held.source_hash for modality, held in state.fusable().items()},
    )


def test_modalities_add_up_as_they_arrive() -> None:
    state = after(declared(1, text="t", image="i"), feature(1, "text", "t"))
    assert set(state.fusable()) == {"text"}
    assert set(apply(state, feature(1, "image", "i")).fusable()) == {"text", "image"}


def test_a_feature_of_the_older_self_is_ignored_after_republishing() -> None:
    state = after(declared(1, image="old"), declared(2, image="new"), feature(1, "image", "old"))
    assert state.fusable() == {}
    assert set(apply(state, feature(2, "image", "new")).fusable()) == {"image"}


def test_an_unchanged_picture_serves_on_when_only_the_price_changes() -> None:
    state = after(declared(1, image="i"), feature(1, "image", "i"), declared(2, image="i"))
    assert set(state.fusable()) == {"image"}
    assert state.title == "title 2"


def test_a_slow_video_of_an_older_message_counts_while_its_source_is_the_same() -> None:
    state = after(declared(1, video="v"), declared(2, video="v"), feature(1, "video", "v"))
    assert set(state.fusable()) == {"video"}


def test_a_withdrawal_wins_over_a_video_still_being_decoded() -> None:
    state = after(declared(1, video="v"), withdrawn(2), feature(1, "video", "v"))
    assert state.withdrawn
    assert state.fusable() == {}
    assert state.features == {}


def test_an_item_comes_back_after_a_withdrawal() -> None:
    state = after(declared(1, text="t"), withdrawn(2), feature(3, "text", "t"), declared(3, text="t"))
    assert set(state.fusable()) == {"text"}


def test_nothing_shows_before_the_declaration() -> None:
    assert after(feature(1, "text", "t")).fusable() == {}


def test_media_that_failed_take_back_what_an_older_version_left() -> None:
    state = after(
        declared(1, image="i"), feature(1, "image", "i"), declared(2, image="i"), failed(2, "image", "i")
    )
    assert state.fusable() == {}


def test_a_failure_of_an_older_message_changes_nothing() -> None:
    state = after(declared(2, image="i"), feature(2, "image", "i"))
    assert apply(state, failed(1, "image", "i")) is state


def test_a_topic_created_again_outranks_higher_offsets_of_its_old_life() -> None:
    old = ItemDeclared(item_id="a", version=version(900), title="old")
    new = ItemDeclared(item_id="a", version=version(3, generation=2), title="new")
    assert after(old, new).title == after(new, old).title == "new"


def test_the_stored_form_is_read_back() -> None:
    state = after(declared(1, text="t"), feature(1, "text", "t"))
    assert decode_item_state(encode_item_state(state)) == state
    assert decode_item_state(None) == ItemState()


def history(life: list[str]) -> list[FeatureMessage]:
    """What the roles write for an item that is published with these pictures ('' withdraws it)."""
    messages: list[FeatureMessage] = []
    for offset, picture in enumerate(life, start=1):
        if picture:
            messages += [declared(offset, image=picture), feature(offset, "image", picture)]
        else:
            messages.append(withdrawn(offset))
    return messages


@given(st.lists(st.sampled_from(["", "p", "q"]), min_size=1, max_size=3))
def test_every_crossing_ends_in_the_same_state(life: list[str]) -> None:
    messages = history(life)
    expected = seen(after(*messages))
    for order in itertools.permutations(messages):
        assert seen(after(*order)) == expected


@given(st.lists(st.sampled_from(["", "p", "q"]), min_size=1, max_size=6), st.randoms())
def test_messages_delivered_again_change_nothing_that_shows(life: list[str], random: object) -> None:
    messages = history(life)
    expected = seen(after(*messages))
    again = messages + messages
    random.shuffle(again)  # type: ignore[attr-defined]
    assert seen(after(*messages, *again)) == expected


def test_a_revision_is_the_time_of_the_change_and_never_lower_than_before() -> None:
    state = apply(ItemState(), declared(1, text="t"), now_ms=1_000)
    assert state.revision == 1_000
    later = apply(state, feature(1, "text", "t"), now_ms=2_000)
    assert later.revision == 2_000
    # A clock that was set back.
    assert apply(later, withdrawn(2), now_ms=500).revision == 2_001
    # What changes nothing is no revision.
    assert apply(later, feature(1, "text", "t"), now_ms=3_000) is later


def test_a_state_that_was_set_back_goes_on_above_the_revisions_that_readers_hold() -> None:
    copy = apply(ItemState(), declared(1, text="t", image="i"), now_ms=1_000)
    held = apply(copy, feature(1, "text", "t"), now_ms=2_000)
    again = apply(copy, feature(1, "image", "i"), now_ms=3_000)
    assert again.revision > held.revision


def test_without_a_clock_revisions_count() -> None:
    assert after(declared(1, text="t"), feature(1, "text", "t")).revision == 2
