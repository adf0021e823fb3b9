"""What steers re-ranking."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.errors import SettingError
from models.retrieval.item_filter import ItemFilter

Effect = Literal["pin", "boost", "bury"]
# So that scores divided by it stay finite.
MIN_TEMPERATURE = 1e-3
Exploration = Literal["none", "epsilon", "softmax"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of the items that pass a filter.

    Attributes:
        filter: Which items.
        effect: ``pin``: to the top; ``boost`` and ``bury``: the score rises or falls.
        amount: By how much, in standard deviations of the candidates' scores, > 0; 0 for ``pin``.

    Raises:
        SettingError: The amount does not fit the effect.
    """

    filter: ItemFilter
    effect: Effect
    amount: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.amount) or (self.amount > 0) == (self.effect == "pin") or self.amount < 0:
            wanted = "none" if self.effect == "pin" else "an amount above 0"
            raise SettingError(f"a rule that does `{self.effect}` needs {wanted}; it has {self.amount}")


@dataclass(frozen=True, slots=True)
class RerankSettings:
    """What becomes of a ranked list before it is shown; nothing, as it stands.

    Attributes:
        diversity: Weight δ of distances within [0, 1], see `models.reranking.diversity`; 0: no diversity.
        diversity_by: Attributes that make two items alike where they share a value; none: content does.
        max_per_attribute: Attribute → how many items of a list may share a value of it, ≥ 1.
        no_repeat_hours: An item shown within so long is left out; 0: none is.
        rules: In this order.
        new_item_slots: Places of a list of 20 kept for new items, within [0, 20].
        new_item_margin: A place is kept only where the new item's score lacks at most this to that of the
            item which it displaces, ≥ 0; None: whatever it lacks.
        new_item_events: An item with fewer positive events than this is new, ≥ 1.
        exploration: See `models.reranking.exploration`.
        epsilon: Share of places that ``epsilon`` fills at random, within [0, 1].
        temperature: Of ``softmax``, in standard deviations of the candidates' scores,
            ≥ 0.001.
        uncertainty: What ``softmax`` adds for an item without any positive event, in the same unit, ≥ 0.
        exploration_candidates: How many of the best that are not listed yet chance may choose from, ≥ 1.

    Raises:
        SettingError: A number is out of its bounds.
    """

    diversity: float = 0.0
    diversity_by: tuple[str, ...] = ()
    max_per_attribute: Mapping[str, int] = field(default_factory=dict)
    no_repeat_hours: float = 0.0
    rules: tuple[Rule, ...] = ()
    new_item_slots: int = 0
    new_item_margin: float | None = None
    new_item_events: int = 5
    exploration: Exploration = "none"
    epsilon: float = 0.05
    temperature: float = 0.1
    uncertainty: float = 0.0
    exploration_candidates: int = 100

    def __post_init__(self) -> None:
        bounds = {
            "diversity": (self.diversity, 0.0, 1.0),
            "no_repeat_hours": (self.no_repeat_hours, 0.0, math.inf),
            "new_item_slots": (self.new_item_slots, 0.0, 20.0),
            "new_item_margin": (self.new_item_margin or 0.0, 0.0, math.inf),
            "new_item_events": (self.new_item_events, 1.0, math.inf),
            "epsilon": (self.epsilon, 0.0, 1.0),
            "temperature": (self.temperature, MIN_TEMPERATURE, math.inf),
            "uncertainty": (self.uncertainty, 0.0, math.inf),
            "exploration_candidates": (self.exploration_candidates, 1.0, math.inf),
        } | {
            f"max_per_attribute.{name}": (most, 1.0, math.inf)
            for name, most in self.max_per_attribute.items()
        }
        for name, (number, least, most) in bounds.items():
            if not (math.isfinite(number) and least <= number <= most):
                raise SettingError(f"{name} is {number}, which is out of its bounds")
