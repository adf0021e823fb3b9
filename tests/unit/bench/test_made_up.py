"""What is measured with is valid: events, items, media, features, lists; and it is the same each time."""

from datetime import UTC, datetime

import numpy as np
import pytest

from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.video import decode_video
from models.profile import decode_profile
from streams.codec import decode_value
from streams.fields import Modality
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import EVENTS, ITEM_FEATURES, ITEM_VECTORS, ITEMS, PROFILES, RECOMMENDATIONS
from workers.bench import backlogs, learning
from workers.bench.catalogue import World, clustered_vectors, textlike_vectors
from workers.bench.media_samples import film, picture, sound, title
from workers.state.store import VERSION_BYTES

TOPICS = TopicNames("t.")


def test_events_are_valid_and_of_150_bytes_or_so() -> None:
    made = list(backlogs.events(TOPICS.events, 200))
    assert all(decode_value(one.value or b"", EVENTS).user_id.encode() == one.key for one in made)
    assert 130 < sum(len(one.value or b"") for one in made) / 200 < 170
    assert len({decode_value(one.value or b"", EVENTS).event_id for one in made}) == 200


@pytest.mark.parametrize("modality", ["text", "image"])
def test_items_are_valid_and_have_what_is_measured(modality: Modality) -> None:
    made = [decode_value(one.value or b"", ITEMS) for one in backlogs._items(TOPICS, modality, 3)]
    assert len({item.item_id for item in made}) == 3
    for item in made:
        assert bool(item.title) == (modality == "text")
        assert [media.kind for media in item.media] == ([] if modality == "text" else [modality])


def test_features_come_with_their_declarations() -> None:
    made = [
        decode_value(one.value or b"", ITEM_FEATURES) for one in backlogs._features(TOPICS, Settings(), 6)
    ]
    assert [type(one).__name__ for one in made] == ["ItemDeclared", "ItemFeature"] * 3
    assert made[0].sources == {"text": made[1].source_hash}


def test_lists_and_what_people_did_with_them_fit() -> None:
    shown, changed = backlogs._lists_and_changes(TOPICS, 2)
    made = decode_value(shown.value or b"", RECOMMENDATIONS)
    (event,) = decode_value(changed.value or b"", PROFILES).applied
    assert event.item_id in {item.item_id for item in made.items}
    assert sum(one.contribution for one in made.items[0].reasons) == pytest.approx(made.items[0].score)


def test_a_stored_profile_has_the_history_that_was_asked_for() -> None:
    write = backlogs.profile_write(Settings(), 3, 20)
    profile = decode_profile((write.value or b"")[VERSION_BYTES:])
    assert (profile.user_id, profile.version, len(profile.item_ids)) == ("person-3", 20, 20)


def test_a_world_is_the_same_each_time() -> None:
    at = datetime.now(UTC)
    one, other = World(300, 16, 10), World(300, 16, 10)
    assert [one.event(at) for _ in range(50)] == [other.event(at) for _ in range(50)]
    items = [decode_value(record.value or b"", ITEM_VECTORS) for record in one.vectors("v")]
    assert {item.item_id for item in items} == {f"item-{number}" for number in range(300)}
    vector = np.frombuffer(items[7].vector or b"", "<f2").astype(np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=2e-3)
    assert {event.item_id for event, _ in one.history("e", 200)} <= {item.item_id for item in items}


def test_history_is_too_old_to_be_answered() -> None:
    newest = max(event.occurred_at for event, _ in World(50, 8, 5).history("e", 100))
    assert (datetime.now(UTC) - newest).total_seconds() > Settings().recommend.max_cause_age_s


def test_items_of_a_centre_are_nearer_to_each_other_than_to_others() -> None:
    vectors, centre_of = clustered_vectors(2_000, 64, np.random.default_rng(0))
    cosines = vectors @ vectors[0]
    same = centre_of == centre_of[0]
    same[0] = False
    assert cosines[same].mean() > 0.4 > 0.1 > abs(cosines[~same].mean())


def test_media_can_be_decoded_and_differ() -> None:
    assert decode_image(picture(1), 64).shape == (64, 64, 3)
    assert len(decode_audio(sound(1), None, 16_000)) == 5 * 16_000
    frames, track = decode_video(film(1), 64, 4)
    assert frames.shape == (4, 64, 64, 3)
    assert track is None
    assert picture(1) == picture(1) != picture(2)
    assert sound(1) != sound(2)
    assert film(1) != film(2)
    assert title(1) == title(1) != title(2)


def test_vectors_like_those_of_text_are_harder_to_tell_apart_than_groups() -> None:
    for dimension in (64, 128):
        vectors, topic_of = textlike_vectors(6_000, dimension, np.random.default_rng(0))
        assert vectors.shape == (6_000, dimension)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6_000), abs=1e-5)
        counts = np.sort(np.bincount(topic_of))[::-1]
        assert counts[:20].mean() > 4 * counts[1_000:1_100].mean()
        cosines = vectors @ vectors[0]
        same = topic_of == topic_of[0]
        same[0] = False
        assert cosines[same].mean() > 0.3
        # What is of another topic may be nearer than what is of the same: groups have no border.
        assert cosines[~same].max() > np.median(cosines[same])


def test_profiles_change_by_one_event_each_after_a_history() -> None:
    made = [
        decode_value(one.value or b"", PROFILES)
        for one in learning.changes("profiles", Settings(), learning.PEOPLE + 20, 500)
    ]
    assert len(made) == learning.PEOPLE + 20
    assert len({one.user_id for one in made}) == learning.PEOPLE
    assert all(len(one.applied) == 1 for one in made)
    first, again = (one for one in made if one.user_id == "person-3")
    assert (first.version, again.version) == (learning.HISTORY + 1, learning.HISTORY + 2)
    assert decode_profile(again.state).item_ids[-1] == again.applied[0].item_id


def test_lists_that_ask_for_words_are_each_for_somebody_else() -> None:
    made = [decode_value(one.value or b"", RECOMMENDATIONS) for one in backlogs._asked_for_words(TOPICS, 5)]
    assert all(one.explain for one in made)
    assert len({one.user_id for one in made}) == 5
    assert sum(one.contribution for one in made[0].items[0].reasons) == pytest.approx(1.0)
