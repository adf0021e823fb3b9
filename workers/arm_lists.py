"""Lists by the arm that a person is in: each with its scorer, its budgets and its re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.cascade.lists import ListSettings, Ranks, cascade_list
from models.ranking import ListOrder
from models.retrieval import ItemIndex
from streams.errors import DefectError
from streams.settings import Settings
from workers.experiments import Arm, Experiment
from workers.list_makers import BaseLists, ListMaker, MadeList
from workers.model_settings import ranking_settings, rerank_settings


class CascadeLists:
    """Lists of the cascade.

    Args:
        index: All items.
        cascade: What ranks them; somebody else keeps both current, on the same event loop.
        model: The name that lists carry.
    """

    # Nothing is shared between them.
    lists_at_once = 1

    def __init__(self, index: ItemIndex, cascade: Ranks, settings: ListSettings, model: str) -> None:
        self._index = index
        self._cascade = cascade
        self._settings = settings
        self._model = model

    @property
    def wants_shown(self) -> bool:
        """See `ListMaker.wants_shown`."""
        return self._settings.rerank.no_repeat_hours > 0

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        """See `ListMaker.make`."""
        return [
            MadeList(cascade_list(self._index, self._cascade, order, self._settings), self._model)
            for order in orders
        ]


@dataclass(frozen=True, slots=True)
class _ArmMaker:
    arm: Arm
    maker: ListMaker


class ArmLists:
    """Lists of the experiment that runs; of the settings of all where none does.

    Args:
        cascade: None where no arm uses it (`uses_cascade`).
        space: The vector space, which models' names end with.
    """

    def __init__(
        self,
        index: ItemIndex,
        cascade: Ranks | None,
        experiment: Experiment,
        settings: Settings,
        space: str,
    ) -> None:
        self._experiment = experiment
        self._makers = {
            arm.name: _ArmMaker(arm, _maker(index, cascade, arm, settings, space)) for arm in experiment.arms
        }

    @property
    def lists_at_once(self) -> int:
        """See `ListMaker.lists_at_once`."""
        return min(one.maker.lists_at_once for one in self._makers.values())

    @property
    def wants_shown(self) -> bool:
        """See `ListMaker.wants_shown`."""
        return any(one.maker.wants_shown for one in self._makers.values())

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        """See `ListMaker.make`."""
        by_arm: dict[str | None, list[int]] = {}
        for number, order in enumerate(orders):
            user_id = order.profile.user_id if order.profile is not None else ""
            by_arm.setdefault(self._experiment.arm_of(user_id).name, []).append(number)
        made: dict[int, MadeList] = {}
        for name, numbers in by_arm.items():
            own = self._makers[name]
            lists = own.maker.make([orders[number] for number in numbers])
            for number, one in zip(numbers, lists, strict=True):
                made[number] = MadeList(one.result, one.model, own.arm.experiment, own.arm.name)
        return [made[number] for number in range(len(orders))]


def uses_cascade(experiment: Experiment) -> bool:
    """Whether any arm's lists come from the cascade."""
    return any(arm.recommend.ranker == "cascade" for arm in experiment.arms)


def _maker(index: ItemIndex, cascade: Ranks | None, arm: Arm, settings: Settings, space: str) -> ListMaker:
    base = ranking_settings(settings.model_copy(update={"recommend": arm.recommend}))
    if arm.recommend.ranker == "base":
        return BaseLists(index, base, f"base.{space}")
    if cascade is None:
        raise DefectError(f"arm `{arm.name}` needs the cascade, and there is none")
    own = ListSettings(
        candidates=arm.recommend.candidates,
        budgets=arm.sources.model_dump(),
        objectives=settings.objectives_of(arm.recommend),
        rerank=rerank_settings(arm.rerank),
        base=base,
    )
    return CascadeLists(index, cascade, own, f"cascade.{space}")
