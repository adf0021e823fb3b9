"""Whether a language model helps: lists that it puts in order, and items that it tells more of.

Both replay a log, and compare where what people chose next stood, without the model and with it. What comes
too late, or is no answer, leaves everything as it was, as it does in production.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from models.datasets import Dataset, DatasetEvent, DatasetItem
from models.preprocessing.text import item_text
from models.retrieval import ItemIndex
from streams.fields import AttributeValue
from streams.language_model_settings import LanguageModelSettings
from streams.settings import Settings
from workers.evaluation.catalogue import build_catalogue
from workers.evaluation.next_items import Comparison, NextItem, compare, next_items, place_of
from workers.language_model.enrichment import Enrichment, EnrichmentReader
from workers.language_model.list_order import ItemOrder, ItemWords, OrderReader
from workers.language_model.questions import AnswersMessages
from workers.language_model.transport import NoAnswerError
from workers.list_makers import MadeList
from workers.list_refiner import ListRefiner
from workers.vectors_to_titles import KnownItem

# Calls that a run never makes: it opens no circuit.
_NEVER = 1 << 31
OnProgress = Callable[[str, int, int], None]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a model did, and whether it helped.

    Attributes:
        stage: `refine` or `enrich`.
        outcomes: What became of what it was asked.
        not_asked: Cases of which it was not asked: there was nothing to order by, or it was not to be asked.
        comparison: Choices, without the model and with it.
        asked_s: Seconds for all that it was asked.
    """

    stage: str
    model: str
    ranker: str
    outcomes: Mapping[str, int]
    comparison: Comparison
    asked_s: float
    details: Mapping[str, int] = field(default_factory=dict)
    not_asked: int = 0


def unbounded(settings: LanguageModelSettings) -> LanguageModelSettings:
    """Without budgets of tokens and with a circuit that never opens: they would be what is measured."""
    return settings.model_copy(
        update={"tokens_per_minute": 0, "tokens_per_day": 0, "breaker_failures": _NEVER}
    )


class _CountingOrders(OrderReader):
    """Remembers what became of each question."""

    def __init__(self, model: AnswersMessages) -> None:
        super().__init__(model)
        self.outcomes: Counter[str] = Counter()

    async def order(
        self, chosen: Sequence[ItemWords], candidates: Sequence[ItemWords], timeout_s: float
    ) -> ItemOrder:
        found = await super().order(chosen, candidates, timeout_s)
        if found.outcome != "not_asked":
            self.outcomes[found.outcome] += 1
        return found


def measure_refining(
    dataset: Dataset,
    index: ItemIndex,
    events: Sequence[DatasetEvent],
    settings: Settings,
    model: AnswersMessages,
    runner: asyncio.Runner,
    *,
    ranker: str,
    warm_up: int,
    cases: int,
    on_progress: OnProgress = lambda what, done, total: None,
) -> StageReport:
    """Lists as they are against lists in the model's order, of choices that are among the first items.

    Others stay out whatever the order is: no order of the first items changes whether they are there.
    """
    first = settings.refine.items
    found: list[NextItem] = []
    replay = next_items(
        index, events, settings, ranker, warm_up, lambda done, total: on_progress("replaying", done, total)
    )
    for one in replay:
        if one.place is not None and one.place < first:
            found.append(one)
            if len(found) == cases:
                break
    titles = {item.item_id: KnownItem(item.title, _attributes(item)) for item in dataset.items()}
    orders = _CountingOrders(model)
    refiner = ListRefiner(
        orders,
        titles.get,
        settings.refine,
        tells_past_items="past_items" in settings.language_model.personal_fields,
    )

    async def place(one: NextItem) -> int | None:
        refined = await refiner.refine(one.profile, MadeList(one.result, ranker), float("inf"))
        return place_of(one.item_id, refined.result)

    began_s = time.monotonic()
    after = _in_turn(runner, found, place, lambda done: on_progress("asking the model", done, len(found)))
    asked_s = time.monotonic() - began_s
    users = [one.profile.user_id for one in found]
    comparison = compare(users, [one.place for one in found], after)
    not_asked = len(found) - orders.outcomes.total()
    return StageReport(
        "refine", model.model, ranker, dict(orders.outcomes), comparison, asked_s, not_asked=not_asked
    )


def measure_enriching(
    dataset: Dataset,
    events: Sequence[DatasetEvent],
    settings: Settings,
    model: AnswersMessages,
    runner: asyncio.Runner,
    *,
    ranker: str,
    warm_up: int,
    cases: int,
    items: int,
    cache: Path | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> StageReport:
    """Lists from the items' own texts against lists from texts with what the model tells of them."""
    catalogue = list(dataset.items())
    reader = EnrichmentReader(model, settings.enrich)
    outcomes: Counter[str] = Counter()

    async def read(item: DatasetItem) -> Enrichment | None:
        try:
            found = await reader.read(item_text(item.title, item.description))
        except NoAnswerError:
            return None
        outcomes["no_answer" if found is None else "enriched" if found else "nothing_said"] += 1
        return found

    asked = catalogue[:items]
    began_s = time.monotonic()
    told = _in_turn(runner, asked, read, lambda done: on_progress("asking the model", done, len(asked)))
    asked_s = time.monotonic() - began_s
    enriched = [
        replace(item, description=f"{item.description} {found.words}".strip()) if found else item
        for item, found in zip(asked, told, strict=True)
    ]
    places: list[list[int | None]] = []
    users: list[str] = []
    for name, own in (("own texts", catalogue), ("enriched texts", [*enriched, *catalogue[items:]])):
        built = build_catalogue(_Items(dataset, own), settings, ["text"], cache)
        replay = next_items(built.index(), events, settings, ranker, warm_up, _named(on_progress, name))
        found = list(islice(replay, cases))
        places.append([one.place for one in found])
        users = [one.profile.user_id for one in found]
    comparison = compare(users, *places)
    details = {
        "items": len(asked),
        "tags": sum(len(one.tags) for one in told if one),
        "moods": sum(len(one.mood) for one in told if one),
        "audiences": sum(len(one.audience) for one in told if one),
    }
    not_asked = len(asked) - outcomes.total()
    return StageReport("enrich", model.model, ranker, dict(outcomes), comparison, asked_s, details, not_asked)


class _Items(Dataset):
    """A data set with other items."""

    def __init__(self, dataset: Dataset, items: Sequence[DatasetItem]) -> None:
        super().__init__(dataset.folder)
        self._dataset = dataset
        self._items = items

    def items(self) -> Iterator[DatasetItem]:
        """See `Dataset.items`."""
        return iter(self._items)

    def events(self) -> Iterator[DatasetEvent]:
        """See `Dataset.events`."""
        return self._dataset.events()


def _in_turn(
    runner: asyncio.Runner,
    entries: Sequence[T],
    ask: Callable[[T], Coroutine[Any, Any, U]],
    on_done: Callable[[int], None],
) -> list[U]:
    """One after the other, so that none is late because of another."""
    found: list[U] = []
    for entry in entries:
        found.append(runner.run(ask(entry)))
        on_done(len(found))
    return found


def _attributes(item: DatasetItem) -> dict[str, AttributeValue]:
    return {
        name: value if isinstance(value, bool | int | float | str) else list(value)
        for name, value in item.attributes.items()
    }


def _named(on_progress: OnProgress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(f"replaying, {name}", done, total)
