"""Any data set that Freshet reads, as a matrix of positive interactions with the content of its items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.datasets import Dataset, DatasetEvent, DatasetItem, InteractionData
from models.datasets.interactions import Histories
from models.errors import DatasetError
from models.fusion import EncoderSpec
from streams.fields import MODALITIES, Modality
from streams.settings import ProfileSettings, Settings
from workers.evaluation.catalogue import encode_items
from workers.model_settings import transition_settings

USUAL_CLASSES = ("genres", "category")
"""Attributes that are taken for classes of items where none is named."""


@dataclass(frozen=True, slots=True)
class OfflineData:
    """Interactions, and what was left out of them.

    Attributes:
        data: The matrix.
        refused: Texts and media that could not be encoded, in words.
        unknown_items: Positive events on items that are not in the catalogue.
        encoders: What made the features of each modality; {} for a data set that brought them along.
    """

    data: InteractionData
    refused: tuple[str, ...] = ()
    unknown_items: int = 0
    encoders: Mapping[Modality, EncoderSpec] = field(default_factory=dict)


def interaction_data(
    dataset: Dataset,
    settings: Settings,
    modalities: Collection[Modality] = MODALITIES,
    class_attribute: str | None = None,
    cache: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> OfflineData:
    """Read a data set, and encode what its items contain.

    An interaction is an event of positive weight, by the settings of its action; of several by one person on
    one item the first counts.

    Args:
        dataset: What to read.
        settings: Weights of actions, encoders, limits on media.
        modalities: Those that count.
        class_attribute: The attribute whose values are the classes of items; None: one of `USUAL_CLASSES`
            that is there.
        cache: See `build_catalogue`.
        on_progress: Told how many texts and media are encoded, and of how many.

    Raises:
        DatasetError: A file or a line is wrong, or nothing is left.
    """
    items = list(dataset.items())
    taken = taken_items(
        str(dataset.folder), [item.item_id for item in items], dataset.events(), settings.profile
    )
    class_names, classes = _classes(items, class_attribute)
    encoded = encode_items(items, settings, modalities, cache, on_progress)
    data = InteractionData(
        name=dataset.name,
        users=taken.users,
        items=len(items),
        pairs=taken.pairs,
        times_ms=taken.times_ms,
        features=features_by_modality(encoded.specs, encoded.features),
        class_names=class_names,
        classes=classes,
        histories=taken.histories,
    )
    return OfflineData(data, encoded.refused, taken.unknown_items, encoded.specs)


@dataclass(frozen=True, slots=True)
class TakenItems:
    """Who took what, and what else they did; see `InteractionData`."""

    users: int
    pairs: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    histories: Histories
    unknown_items: int


def taken_items(
    where: str, item_ids: Sequence[str], events: Iterable[DatasetEvent], profile: ProfileSettings
) -> TakenItems:
    """The interactions in events: those of positive weight, the first of each person and item.

    Args:
        where: The events come from, for messages.
        item_ids: The catalogue, by row.
        events: In any order.
        profile: Weights of actions.

    Raises:
        DatasetError: No interaction is left.
    """
    rows = {item_id: row for row, item_id in enumerate(item_ids)}
    users: dict[str, int] = {}
    first_ms: dict[tuple[int, int], int] = {}
    transitions = transition_settings(profile)
    unknown = 0
    entries: list[tuple[str, int, float, int]] = []
    for event in events:
        weight = transitions.weight_of(event.action, event.value)
        if event.item_id not in rows:
            unknown += weight > 0
            continue
        if weight or transitions.rule_of(event.action).marks_seen:
            # As `models.profile.transition` lets it into a history.
            entries.append((event.user_id, rows[event.item_id], weight, event.occurred_at_ms))
        if weight <= 0:
            continue
        pair = (users.setdefault(event.user_id, len(users)), rows[event.item_id])
        first_ms[pair] = min(event.occurred_at_ms, first_ms.get(pair, event.occurred_at_ms))
    if not first_ms:
        raise DatasetError(
            f"{where} has no event of positive weight on an item of its catalogue; what an action "
            "weighs is a setting, for example -o profile.actions.play.weight=1.5"
        )
    return TakenItems(
        users=len(users),
        pairs=np.array(list(first_ms), np.int64),
        times_ms=np.array(list(first_ms.values()), np.int64),
        histories=_histories(entries, users),
        unknown_items=unknown,
    )


def _histories(entries: Sequence[tuple[str, int, float, int]], users: Mapping[str, int]) -> Histories:
    """Of the people that the matrix has, in the order of time; at one time in the order of the file."""
    known = [(users[user_id], *rest) for user_id, *rest in entries if user_id in users]
    people, items, weights, times_ms = (np.array(column) for column in zip(*known, strict=True))
    order = np.lexsort((times_ms, people))
    return Histories(
        people[order].astype(np.int64),
        items[order].astype(np.int64),
        weights[order].astype(np.float32),
        times_ms[order].astype(np.int64),
    )


def features_by_modality(
    specs: Mapping[Modality, EncoderSpec], items: Sequence[Mapping[Modality, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """The features of items, one mapping an item, as `InteractionData`; of modalities that any item has."""
    found: dict[str, NDArray[np.float32]] = {}
    for modality, spec in specs.items():
        vectors = np.zeros((len(items), spec.dimension), np.float32)
        for row, own in enumerate(items):
            if modality in own:
                vectors[row] = own[modality]
        if vectors.any():
            found[modality] = vectors
    return found


def _classes(
    items: Sequence[DatasetItem], attribute: str | None
) -> tuple[tuple[str, ...], NDArray[np.bool_] | None]:
    """The names of classes, and which items belong to which, bool [items, classes]."""
    names = (attribute,) if attribute is not None else USUAL_CLASSES
    for name in names:
        values = [_values(item.attributes, name) for item in items]
        known = sorted({value for own in values for value in own})
        if known:
            numbers = {value: number for number, value in enumerate(known)}
            classes = np.zeros((len(items), len(known)), np.bool_)
            for row, own in enumerate(values):
                classes[row, [numbers[value] for value in own]] = True
            return tuple(known), classes
    if attribute is not None:
        raise DatasetError(f"no item has an attribute `{attribute}` of text, which --classes names")
    return (), None


def _values(attributes: Mapping[str, object], name: str) -> list[str]:
    value = attributes.get(name)
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
