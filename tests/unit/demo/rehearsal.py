"""The demo without Kafka, Redis and clocks: the same catalogue, encoders, fusion, ranking and people."""

import base64
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deploy.demo.catalogue import load_catalogue
from models.cascade import Interaction, Person
from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.encoders.encoder import VideoInput
from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.text import item_text
from models.preprocessing.video import decode_video
from models.profile import Profile, ProfileEvent, apply_event, new_profile
from models.ranking import ListOrder, ListQuery
from models.ranking.eligibility import eligible_rows
from models.retrieval import ItemIndex
from streams.fields import MODALITIES
from streams.messages import Event, Item, Media
from streams.settings import Settings
from tests.unit.demo.journals import received
from workers.arm_lists import ArmLists
from workers.demo.journal import Journal
from workers.demo.people import crowd
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.experiments import Experiment
from workers.list_makers import MadeList
from workers.model_settings import cascade_settings, learn_settings, transition_settings

CATALOGUE = load_catalogue()
SETTINGS = Settings()
CREATED_AT_MS = 1_750_000_000_000
NOW_MS = 1_767_000_000_000


@cache
def vectors() -> dict[str, np.ndarray]:
    """The fused vector of every item, as the roles would make it."""
    items = (*CATALOGUE.items, *CATALOGUE.new_items)
    registry = encoder_registry(SETTINGS)
    features: dict[str, dict[str, np.ndarray]] = {item.item_id: {} for item in items}
    for modality in MODALITIES:
        encoder: Any = registry.get(SETTINGS.encoders.name_for(modality))
        inputs = {item.item_id: _input(encoder, modality, item) for item in items}
        inputs = {item_id: one for item_id, one in inputs.items() if one is not None}
        for (item_id, _), row in zip(inputs.items(), encoder.encode(list(inputs.values())), strict=True):
            features[item_id][modality] = row
    fusion = fusion_in_use(SETTINGS, registry)
    return dict(zip(features, fusion.fuse_batch(list(features.values())), strict=True))


def _input(encoder: Any, modality: str, item: Item) -> Any:
    if modality == "text":
        return item_text(item.title, item.description) or None
    media = next((medium for medium in item.media if medium.kind == modality), None)
    if media is None:
        return None
    data = _data(media)
    if modality == "image":
        return decode_image(data, encoder.size_px, fit=encoder.manifest.preprocessing.fit)
    if modality == "audio":
        return decode_audio(data, sample_rate_hz=encoder.sample_rate_hz)
    fit = encoder.image.manifest.preprocessing.fit
    return VideoInput(*decode_video(data, encoder.size_px, encoder.frames, None, fit, encoder.sample_rate_hz))


def _data(media: Media) -> bytes:
    if media.data is not None:
        return base64.b64decode(media.data)
    assert media.uri is not None
    return Path(media.uri.removeprefix("file://")).read_bytes()


def rehearse(
    seed: int,
    ranker: str,
    acts: int = 15,
    new_items_after: int = 7,
    on_list: Callable[[Profile, MadeList], None] = lambda profile, made: None,
) -> Journal:
    """Let everybody act in turn, a second a turn; new items come after ``new_items_after`` turns.

    Args:
        on_list: Told of each list.
    """
    journal, index = Journal(), ItemIndex(len(next(iter(vectors().values()))))
    people, rng = crowd(seed), random.Random(seed)
    profiles = {person.user_id: new_profile(person.user_id) for person in people}
    shelves: dict[str, frozenset[str]] = {}
    popularity: dict[str, float] = {}

    def publish(items: tuple[Item, ...], at_s: float, created_at_ms: int) -> None:
        journal.items_published(items, at_s)
        for item in items:
            shelves[item.item_id] = frozenset(item.attributes["tags"])
            index.upsert(item.item_id, vectors()[item.item_id], created_at_ms=created_at_ms)

    publish(CATALOGUE.items, 0.0, CREATED_AT_MS)
    transitions = transition_settings(SETTINGS.profile)
    settings = SETTINGS.model_copy(
        update={"recommend": SETTINGS.recommend.model_copy(update={"ranker": ranker})}
    )
    cascade = Cascade(index, cascade_settings(settings))
    learner = Learner(cascade, learn_settings(settings))
    lists = ArmLists(index, cascade, Experiment(settings), settings, "space")
    for turn in range(1, acts + 1):
        if turn == new_items_after + 1:
            publish(CATALOGUE.new_items, float(turn), NOW_MS)
        for number, person in enumerate(rng.sample(people, len(people))):
            user_id, at_s = person.user_id, turn + number / len(people)
            newest = journal.newest_list(user_id)
            act = person.act(newest.item_ids if newest else (), shelves)
            event_id, now = f"{user_id}-{turn}", datetime.fromtimestamp(NOW_MS / 1_000 + at_s, UTC)
            event = Event(
                event_id=event_id, user_id=user_id, item_id=act.item_id, action=act.action, occurred_at=now
            )
            journal.event_published(event, at_s)
            now_ms = round(now.timestamp() * 1_000)
            before = profiles[user_id]
            profiles[user_id], effect = apply_event(
                before, ProfileEvent(event_id, act.item_id, act.action, now_ms), transitions
            )
            was, did = (
                Person.of(before, now_ms),
                Interaction(user_id, act.item_id, act.action, effect.weight, now_ms),
            )
            learner.learn(was, did, eligible_rows(index, before, ListQuery()))
            cascade.observe(was, did)
            if learner.refit_due():
                learner.refit()
            for model, payload in learner.updates().items():
                cascade.load(model, payload)
            popularity[act.item_id] = popularity.get(act.item_id, 0.0) + max(0.0, effect.weight)
            index.set_popularity(popularity)
            (made,) = lists.make([ListOrder(profiles[user_id], ListQuery(count=20), now_ms)])
            on_list(profiles[user_id], made)
            received(journal, user_id, turn, at_s, *(item.item_id for item in made.result.items))
    return journal
