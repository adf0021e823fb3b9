"""What Kafka still holds as data to train on: who took what, and the vectors of items' modalities.

Nothing is encoded: `item-features` has what the encode roles made, and what counts of it is told by the fuse
role's own rules (`workers.state.item`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.datasets import DatasetEvent, InteractionData
from models.fusion import EncoderSpec
from streams.codec import decode_record
from streams.errors import BadInputError, ConfigurationError
from streams.fields import Modality
from streams.internal_messages import FeatureMessage, ItemDeclared
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import ITEM_FEATURES
from workers.encoders_in_use import encoder_registry, specs_in_use
from workers.evaluation.offline_data import OfflineData, features_by_modality, taken_items
from workers.evaluation.pinned_ends import PinnedEnds
from workers.evaluation.retained_topics import retained_events
from workers.state.item import ItemState, apply

_FLOAT32 = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class RetainedItems:
    """The catalogue as it is now.

    Attributes:
        specs: What vectors are of, by modality.
        features: Item → modality → float32 [D], by id; without those that it lacks.
        refused: What could not be read, in words.
    """

    specs: Mapping[Modality, EncoderSpec]
    features: Mapping[str, Mapping[Modality, NDArray[np.float32]]]
    refused: tuple[str, ...]


def topics_data(
    settings: Settings,
    on_progress: Callable[[str, int, int | None], None] = lambda what, done, total: None,
    ends: PinnedEnds | None = None,
) -> OfflineData:
    """Interactions and items of a deployment, as `interaction_data` gives those of a data set.

    An event that is there twice counts once. Items that were withdrawn are not there.

    Args:
        settings: Kafka and topics, the encoders whose vectors count, weights of actions.
        on_progress: Told what is read, and how many records of it.
        ends: Where the topics end, if not where they end now.

    Raises:
        ConfigurationError, DependencyDownError: Topics are not there or empty, or Kafka does not answer.
        DatasetError: No event counts.
    """
    items = retained_items(settings, lambda read: on_progress("reading items", read, None), ends)
    retained = retained_events(settings, lambda read: on_progress("reading events", read, None), ends)
    name = f"the topics {settings.topics.prefix}*"
    taken = taken_items(name, list(items.features), _once(retained.events), settings.profile)
    refused = list(items.refused)
    if retained.refused:
        refused.append(f"{retained.refused:,} messages of `events` are no valid events")
    data = InteractionData(
        name=name,
        users=taken.users,
        items=len(items.features),
        pairs=taken.pairs,
        times_ms=taken.times_ms,
        features=features_by_modality(items.specs, list(items.features.values())),
        histories=taken.histories,
    )
    return OfflineData(data, tuple(refused), taken.unknown_items, items.specs)


def retained_items(
    settings: Settings,
    on_progress: Callable[[int], None] = lambda read: None,
    ends: PinnedEnds | None = None,
) -> RetainedItems:
    """The items that are declared and not withdrawn, with what the encoders in use made of them.

    Args:
        settings: Kafka, topics and encoders.
        on_progress: Told how many records were read.
        ends: Where to end, if not now.

    Raises:
        ConfigurationError: The topic does not exist, or holds no item or no vector that counts.
        DependencyDownError: Kafka does not answer.
    """
    topic = TopicNames(settings.topics.prefix).item_features
    specs = specs_in_use(settings, encoder_registry(settings))
    states: dict[str, ItemState] = {}
    unreadable = 0
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        until = (ends or PinnedEnds()).of(reader, topic)
        for number, record in enumerate(reader.read_to_end(until), 1):
            on_progress(number)
            if record.value is None:
                continue  # a feature of an item that was withdrawn, which its declaration says
            try:
                message: FeatureMessage = decode_record(record, ITEM_FEATURES)
            except BadInputError:
                unreadable += 1
                continue
            if isinstance(message, ItemDeclared) or message.encoder == specs[message.modality].name:
                states[message.item_id] = apply(states.get(message.item_id, ItemState()), message)
    refused = [f"{unreadable:,} messages of `item-features` cannot be read"] if unreadable else []
    features: dict[str, dict[Modality, NDArray[np.float32]]] = {}
    # In an order that does not hang on which partition answered first: the same topics are the same data.
    for item_id, state in sorted(states.items()):
        if state.declared is None or state.withdrawn:
            continue
        own = features[item_id] = {}
        for modality, feature in state.fusable().items():
            dimension = specs[modality].dimension
            if len(feature.vector) == dimension * _FLOAT32.itemsize:
                own[modality] = np.frombuffer(feature.vector, _FLOAT32)
            else:
                refused.append(f"{modality} of item {item_id} is no vector of {dimension} numbers")
    if not features:
        raise ConfigurationError(f"`{topic}` holds no item: publish a catalogue first")
    if not any(features.values()):
        names = ", ".join(spec.name for spec in specs.values())
        raise ConfigurationError(f"`{topic}` holds {len(features):,} items, and no vector of {names}")
    return RetainedItems(specs, features, tuple(refused))


def _once(events: Iterable[DatasetEvent]) -> Iterator[DatasetEvent]:
    """Without those that were published again."""
    known: set[tuple[str, str]] = set()
    for event in events:
        if (name := (event.user_id, event.event_id)) not in known:
            known.add(name)
            yield event
