"""Where an evaluation's catalogue and events come from: a data set, or the topics of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.datasets import Dataset, DatasetEvent
from models.retrieval import ItemIndex
from streams.fields import MODALITIES, Modality
from streams.settings import Settings
from workers.evaluation.catalogue import build_catalogue
from workers.evaluation.retained_topics import retained_events, retained_index, space_in_use

OnProgress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much, where that is known."""


@dataclass(frozen=True, slots=True)
class Source:
    """A catalogue and a log.

    Attributes:
        name: For the report.
        index: The catalogue.
        events: In the order in which they happened.
        warm_up: Events of the usual warm-up.
        details: For the report: what the catalogue is made of.
    """

    name: str
    index: ItemIndex
    events: Sequence[DatasetEvent]
    warm_up: int
    details: Mapping[str, Any]


def dataset_source(
    dataset: Dataset,
    settings: Settings,
    modalities: Collection[Modality] = MODALITIES,
    cache: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Source:
    """A data set, encoded in this process.

    Args:
        dataset: See `models.datasets.open_dataset`.
        settings: Encoders, fusion and limits on media.
        modalities: Those that count.
        cache: A folder that keeps encoded vectors for the next time.

    Raises:
        DatasetError: A file is missing or wrong.
    """
    catalogue = build_catalogue(
        dataset, settings, modalities, cache, lambda done, total: on_progress("encoding items", done, total)
    )
    events = list(dataset.events())
    return Source(
        name=dataset.name,
        index=catalogue.index(),
        events=events,
        warm_up=len(events) // 2 if dataset.warm_up_events is None else dataset.warm_up_events,
        details={
            "items": len(catalogue.vectors),
            "space": catalogue.space,
            "modalities": dict(catalogue.modalities),
            "not_encoded": list(catalogue.refused),
        },
    )


def topics_source(settings: Settings, on_progress: OnProgress = lambda what, done, total: None) -> Source:
    """What Kafka still holds; half of the events warm up.

    Raises:
        ConfigurationError, DependencyDownError: Topics are not there or empty, or Kafka does not answer.
    """
    index = retained_index(settings, lambda read: on_progress("reading items", read, None))
    retained = retained_events(settings, lambda read: on_progress("reading events", read, None))
    return Source(
        name=f"the topics {settings.topics.prefix}*",
        index=index,
        events=retained.events,
        warm_up=len(retained.events) // 2,
        details={"items": len(index), "space": space_in_use(settings), "refused_events": retained.refused},
    )
