"""Rules of the operator: some scores rise or fall, some items go to the top.

Amounts are in standard deviations of the candidates' scores, so that a rule means the same whatever
scale the ranker's scores have; where all scores are equal, one standard deviation is taken as 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.reranking.settings import Rule
from models.retrieval.filters import AttributeValue


@dataclass(frozen=True, slots=True)
class Ruled:
    """What rules do to n candidates.

    Attributes:
        boosted: What boosts add to each score, float64 [n], ≥ 0.
        buried: What burying adds, float64 [n], ≤ 0.
        pins: Position → number of the first rule that pins it.
    """

    boosted: NDArray[np.float64]
    buried: NDArray[np.float64]
    pins: dict[int, int]


def apply_rules(
    rules: Sequence[Rule],
    scores: NDArray[np.float64],
    attributes: Sequence[Mapping[str, AttributeValue]],
) -> Ruled:
    """Which candidates the rules are about, and what for. Amounts of several rules add up.

    Args:
        rules: In their order.
        scores: float64 [n].
        attributes: Of each candidate.
    """
    boosted, buried = np.zeros(len(scores)), np.zeros(len(scores))
    pins: dict[int, int] = {}
    deviation = float(np.std(scores)) or 1.0
    for number, rule in enumerate(rules):
        found = rule.filter.positions(attributes)
        if rule.effect == "pin":
            pins |= {position: number for position in found if position not in pins}
        elif rule.effect == "boost":
            boosted[found] += rule.amount * deviation
        else:
            buried[found] -= rule.amount * deviation
    return Ruled(boosted, buried, pins)
