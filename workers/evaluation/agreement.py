"""The same events through Kafka and workers, and in one process: do both make the same lists?

In lockstep: an event is published, the list that it causes is awaited and compared with the one that this
process makes after the same events, and the next event waits until the recommend worker has taken this one in
and ranks with what was learned from it. One worker of each role, nothing left to chance, every list as of the
time of its event. Popularity of the base ranker is the one thing that follows a clock: there it counts for
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from models.datasets import Dataset, DatasetEvent
from models.ranking import ListResult
from models.retrieval import ItemIndex
from streams.client import FreshetClient
from streams.codec import decode_record
from streams.errors import DependencyDownError
from streams.fields import Modality
from streams.messages import Event, Recommendation
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from workers.demo.stage import dead_letters
from workers.evaluation.comparison import first_difference
from workers.evaluation.contenders import make_contender, serving_side
from workers.evaluation.retained_topics import retained_index, space_in_use
from workers.evaluation.sources import OnProgress
from workers.evaluation.stage import await_gauge, items_of, publish_catalogue, temporary_deployment
from workers.evaluation.twin import Twin, TwinStep
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment
from workers.model_settings import transition_settings

LIST_TIMEOUT_S = 60.0
SHOWN_DIFFERENCES = 10
# A log's events are years old: their lists are wanted all the same.
_ANY_AGE_S = 1e10
_NEVER_S = 1e9


@dataclass(slots=True)
class Agreement:
    """What came of a comparison.

    Attributes:
        ranker: That of both sides.
        items: In the catalogue.
        lists: Compared.
        places: Of all these lists.
        agreeing: Lists with the same items in the same order, and the same scores.
        with_new_weights: Of these, lists that the worker made with weights from that very event.
        differences: The first lists that differ, in words.
        seconds: For all events, one after another.
    """

    ranker: str
    items: int
    lists: int = 0
    places: int = 0
    agreeing: int = 0
    with_new_weights: int = 0
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def all_agree(self) -> bool:
        """Whether there were lists, and all agree."""
        return self.lists > 0 and self.agreeing == self.lists

    def add(self, event: DatasetEvent, theirs: Recommendation, ours: TwinStep) -> None:
        """Count one list."""
        self.lists += 1
        self.places += len(theirs.items)
        listed = [(item.item_id, item.score) for item in theirs.items]
        found = [first_difference(listed, _scored(possible)) for possible in ours.possible]
        if None in found:
            self.agreeing += 1
            self.with_new_weights += found[0] is not None
        elif len(self.differences) < SHOWN_DIFFERENCES:
            self.differences.append(f"event {event.event_id} of {event.user_id}: {found[0]}")

    def values(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "ranker": self.ranker,
            "items": self.items,
            "lists": self.lists,
            "places": self.places,
            "agreeing": self.agreeing,
            "share": self.agreeing / self.lists if self.lists else None,
            "with_new_weights": self.with_new_weights,
            "differences": self.differences,
            "seconds": self.seconds,
        }

    def rows(self) -> list[tuple[str, object]]:
        """For a table."""
        return [
            ("ranker", self.ranker),
            ("items", f"{self.items:,}"),
            ("lists compared", f"{self.lists:,}"),
            ("places of these", f"{self.places:,}"),
            ("lists that agree", f"{self.agreeing:,}"),
            ("share", self.agreeing / self.lists if self.lists else None),
            ("made with weights of the same event", f"{self.with_new_weights:,}"),
            ("seconds", self.seconds),
        ]


def check_agreement(
    dataset: Dataset,
    flags: Flags,
    config: Path | None,
    *,
    ranker: str,
    modalities: Collection[Modality],
    events: int,
    say: Callable[[str], None] = lambda line: None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Agreement:
    """Compare list by list on the first events of a data set.

    Args:
        dataset: Its vectors of encoders that no deployment has are left out.
        flags: Settings over those of ``config``; what lockstep needs is laid over them.
        config: A settings file.
        ranker: ``base`` or ``cascade``.
        modalities: Those of the items that count.
        events: How many.
        say: Told what happens, in lines for a person.

    Raises:
        DependencyDownError: A list does not come, or a worker does not catch up.
        ConfigurationError: The deployment cannot be started.
    """
    items = items_of(dataset, modalities)
    log = list(islice(dataset.events(), events))
    with temporary_deployment(merged(flags, _lockstep(ranker)), config, say) as deployment:
        settings = deployment.settings
        with FreshetClient(settings.kafka, settings.topics.prefix) as client:
            say(f"publishing {len(items)} items")
            publish_catalogue(
                deployment, client, items, lambda done, total: on_progress("encoding items", done, total)
            )
            twin = _twin(retained_index(settings), ranker, settings)
            found = Agreement(ranker, len(items))
            with _Lists(deployment) as lists:
                began = time.monotonic()
                for event in log:
                    client.publish_event(_message(event))
                    step = twin.step(event)
                    found.add(event, lists.caused_by(event.event_id), step)
                    if ranker != "base":
                        _await_caught_up(deployment, step)
                    on_progress("comparing lists", found.lists, len(log))
                found.seconds = time.monotonic() - began
    return found


def _lockstep(ranker: str) -> Flags:
    recommend: Flags = {"ranker": ranker, "max_cause_age_s": _ANY_AGE_S}
    if ranker == "base":
        # Counters decay by the clock, and reach the worker now and then: no list is reproducible with them.
        recommend["popularity_weight"] = 0.0
    return {
        "recommend": recommend,
        "rerank": {"exploration": "none"},
        "interactions": {"gather_s": 0.0},
        # By events alone.
        "learn": {"publish_s": _NEVER_S},
    }


def _twin(index: ItemIndex, ranker: str, settings: Settings) -> Twin:
    serving, lists = serving_side(index, settings, space_in_use(settings))
    return Twin(
        index,
        make_contender(ranker, index, settings, space=space_in_use(settings)),
        serving,
        lists,
        transition_settings(settings.profile),
        settings.recommend.list_count,
    )


def _await_caught_up(deployment: LocalDeployment, step: TwinStep) -> None:
    """Wait until the recommend worker knows the event, and ranks with what was learned from it."""
    await_gauge(deployment, "recommend", "freshet_interactions_applied", step.applied)
    for model, steps in step.learned.items():
        await_gauge(deployment, "recommend", "freshet_learned_step", steps, model=model)


class _Lists:
    """Lists as they are published. A context manager."""

    def __init__(self, deployment: LocalDeployment) -> None:
        settings = deployment.settings
        topic = TopicNames(settings.topics.prefix).recommendations
        self._deployment = deployment
        self._reader = TopicReader(settings.kafka, topic, "end")

    def caused_by(self, event_id: str) -> Recommendation:
        """The list that an event caused; earlier ones are passed over."""
        deadline_s = time.monotonic() + LIST_TIMEOUT_S
        while time.monotonic() < deadline_s:
            for record in self._reader.poll(0.5):
                found = decode_record(record, Recommendation)
                if found.cause.kind == "event" and found.cause.id == event_id:
                    return found
            self._deployment.poll()
        refused = "; ".join(dead_letters(self._deployment.settings)[:5]) or "nothing"
        raise DependencyDownError(
            f"no list of event {event_id} within {LIST_TIMEOUT_S:g} s; refused: {refused}"
        )

    def __enter__(self) -> _Lists:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()


def _scored(result: ListResult) -> list[tuple[str, float]]:
    return [(item.item_id, item.score) for item in result.items]


def _message(event: DatasetEvent) -> Event:
    return Event(
        event_id=event.event_id,
        user_id=event.user_id,
        item_id=event.item_id,
        action=event.action,
        occurred_at=datetime.fromtimestamp(event.occurred_at_ms / 1_000, UTC),
        value=event.value,
        context=dict(event.context),
    )
