"""Exploration: chance chooses at some places, with probabilities that are known exactly.

Both policies fill a place from E, the candidates that may stand there given the places before it, and
X ⊆ E, the first ``exploration_candidates`` of E by score; g is the candidate that would be taken without
chance. The probability of each, which is its *propensity* for off-policy estimation:

``epsilon``
    ::

        π(i) = (1 − ε) · [i = g] + ε · [i ∈ X] / |X|

``softmax``
    Over X and g, by the utility u of `models.reranking.diversity` (relevance alone where diversity is off)::

        π(i) = exp(z_i) / Σ_j exp(z_j),    z_i = (u_i + b · σ / √(1 + positives_i)) / (t · σ)

    with σ the standard deviation of relevance, t the temperature and b the uncertainty. A list drawn place
    by place like this is a Plackett-Luce ranking (Luce 1959; Plackett 1975), and the same as ordering by
    z_i + Gumbel noise (Yellott 1977). It is not Thompson sampling, whose probabilities (that one of many
    normal variables is the greatest) have no closed form, and off-policy estimates are only as good as
    they are exact: the bonus b/√(1 + positives) stands for what Thompson sampling has in width, that
    little known items come more often. z is held within 30 of the greatest, so that no π(i) vanishes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.reranking.settings import RerankSettings

_MAX_LOGIT_GAP = 30.0


class Policy(Protocol):
    """Chooses the candidate of a place."""

    def choose(
        self, greedy: int, allowed: NDArray[np.bool_], utility: NDArray[np.float64]
    ) -> tuple[int, float | None]:
        """A candidate and its propensity.

        Args:
            greedy: The one to take where chance does not decide; it is allowed.
            allowed: Which may stand here, in the order of scores, bool [m].
            utility: float64 [m].
        """


class Greedy:
    """Nothing is left to chance."""

    def choose(
        self, greedy: int, allowed: NDArray[np.bool_], utility: NDArray[np.float64]
    ) -> tuple[int, float | None]:
        """The greedy candidate; there is no propensity."""
        return greedy, None


class EpsilonPolicy:
    """With probability ε, any of X.

    Args:
        epsilon: ε within [0, 1].
        size: Of X, ≥ 1.
        random: Two numbers a place are drawn.
    """

    def __init__(self, epsilon: float, size: int, random: np.random.Generator) -> None:
        self._epsilon = epsilon
        self._size = size
        self._random = random

    def choose(
        self, greedy: int, allowed: NDArray[np.bool_], utility: NDArray[np.float64]
    ) -> tuple[int, float | None]:
        """The greedy candidate or one by chance, and its propensity."""
        among = np.flatnonzero(allowed)[: self._size]
        explores, which = self._random.random(2).tolist()
        chosen = int(among[int(which * len(among))]) if explores < self._epsilon else greedy
        uniform = self._epsilon / len(among) if chosen <= among[-1] else 0.0
        # Not 1 − ε + ε/|X|, which may exceed 1 by rounding.
        return chosen, min(1.0, (1.0 - self._epsilon) * (chosen == greedy) + uniform)


class SoftmaxPolicy:
    """Each of X with the probability that its utility gives it.

    Args:
        scale: t · σ, > 0, in the unit of utility.
        bonus: b · σ / √(1 + positives), float64 [m].
        size: Of X, ≥ 1.
        random: One number a place is drawn.
    """

    def __init__(
        self, scale: float, bonus: NDArray[np.float64], size: int, random: np.random.Generator
    ) -> None:
        self._scale = scale
        self._bonus = bonus
        self._size = size
        self._random = random

    def choose(
        self, greedy: int, allowed: NDArray[np.bool_], utility: NDArray[np.float64]
    ) -> tuple[int, float | None]:
        """A candidate by chance, and its propensity."""
        among = np.flatnonzero(allowed)[: self._size]
        if greedy > among[-1]:
            among = np.append(among, greedy)
        logits = (utility[among] + self._bonus[among]) / self._scale
        odds = np.exp(np.maximum(logits - logits.max(), -_MAX_LOGIT_GAP))
        sums = odds.cumsum()
        total = float(sums[-1])
        drawn = int(sums.searchsorted(self._random.random() * total, side="right"))
        # Rounding may bring the product up to the total.
        drawn = min(drawn, len(among) - 1)
        return int(among[drawn]), min(1.0, float(odds[drawn]) / total)


def policy_of(
    settings: RerankSettings,
    relevance: NDArray[np.float64],
    positives: NDArray[np.int64],
    random: np.random.Generator,
) -> Policy:
    """The policy that the settings name.

    Args:
        settings: See `RerankSettings`.
        relevance: float64 [m].
        positives: Positive events of each candidate, int64 [m].
        random: Where chance comes from.
    """
    if settings.exploration == "epsilon":
        return EpsilonPolicy(settings.epsilon, settings.exploration_candidates, random)
    if settings.exploration == "softmax":
        deviation = float(np.std(relevance)) or 1.0
        bonus = settings.uncertainty * deviation / np.sqrt(1.0 + positives)
        return SoftmaxPolicy(settings.temperature * deviation, bonus, settings.exploration_candidates, random)
    return Greedy()
