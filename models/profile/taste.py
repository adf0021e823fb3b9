"""The vector of a person's taste, derived from their history.

With ``v_j`` the vector of past item j, ``w_j`` the weight of the action, ``t`` its time, ``T`` the time of
the newest of them, and for each half-life h (short, long) the decay ``d_j = 2^(−(T − t_j) / h)``::

    s_h     = Σ_j w_j d_j v_j
    u_h     = s_h / max(‖s_h‖, 0.05 · Σ_j |w_j| d_j)
    share   = short_share · 2^(−(now − T) / h_short)
    u       = share · u_short + (1 − share) · u_long

Disliked items subtract. Dividing by the length makes ``u_h`` a direction, so that scores compare across
people with short and long histories; the lower bound keeps a person whose actions cancel out from being
given noise at full length. So ‖u‖ ≤ 1. Age relative to the newest item loses nothing when a person is
away; the recent part itself fades with ``now``, and leaves the taste to the long half-life.

u is linear in the past items, ``u = Σ_j c_j v_j``, so item j adds exactly ``c_j · (v_j · v_i)`` to the
score of candidate i. What a person asks for in words, q, is mixed in as ``(1 − s) u + s q``, linear too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import SettingError
from models.profile.state import Profile

_MIN_COHERENCE = 0.05
_HOUR_MS = 3_600_000.0


@dataclass(frozen=True, slots=True)
class TasteSettings:
    """Half-lives, and the part of the taste that is recent."""

    short_half_life_hours: float = 6.0
    long_half_life_days: float = 30.0
    short_share: float = 0.5

    def __post_init__(self) -> None:
        if not (self.short_half_life_hours > 0 and self.long_half_life_days > 0):
            raise SettingError("short_half_life_hours and long_half_life_days must be above 0")
        if not 0 <= self.short_share <= 1:
            raise SettingError(f"short_share is {self.short_share}; it must be between 0 and 1")


@dataclass(frozen=True, slots=True)
class Taste:
    """A taste vector, and what it is made of.

    Attributes:
        vector: u, float64 [D].
        item_ids: The m past items or seeds, each once.
        actions: What was done with each, the action that counts most; empty for seeds.
        coefficients: c_j, float64 [m].
        item_vectors: v_j, float64 [m, D]; ``vector`` is ``coefficients @ item_vectors``, and ``asked``.
        asked: s · q, float64 [D]; None where nothing is asked for in words.
    """

    kind: Literal["similar_item", "seed_item"]
    vector: NDArray[np.float64]
    item_ids: tuple[str, ...]
    actions: tuple[str, ...]
    coefficients: NDArray[np.float64]
    item_vectors: NDArray[np.float64]
    asked: NDArray[np.float64] | None = None


def taste(
    profile: Profile,
    item_rows: Mapping[str, int],
    matrix: NDArray[np.float32],
    now_ms: int,
    settings: TasteSettings,
) -> Taste | None:
    """The taste of a person.

    Args:
        profile: Whose.
        item_rows: Item id → row of ``matrix``, of the items known.
        matrix: Item vectors of unit length, float32 [rows, D]; zero where an item has no vector yet.
        now_ms: The cause's time.
        settings: See `TasteSettings`.

    Returns:
        None where no past item has a vector, or all cancel out.
    """
    looked_up = [item_rows.get(item_id, -1) for item_id in profile.item_ids]
    rows = np.array(looked_up, np.int64)
    entries = np.flatnonzero(rows >= 0)
    if not entries.size:
        return None
    items, item_of = np.unique(rows[entries], return_inverse=True)
    vectors = matrix[items].astype(np.float64)
    has_vector = np.asarray(vectors.any(axis=1))
    if not has_vector.all():
        entries = entries[has_vector[item_of]]
        if not entries.size:
            return None
        items, item_of = np.unique(rows[entries], return_inverse=True)
        vectors = vectors[has_vector]

    weights = profile.weights_array()[entries].astype(np.float64)
    times = profile.times_array()[entries]
    ages_ms = (times[-1] - times).astype(np.float64)
    away_ms = max(0.0, float(now_ms - int(times[-1])))
    by_entry = entry_coefficients(weights, ages_ms, away_ms, item_of, vectors, settings)

    coefficients = _sum_by_item(item_of, by_entry, len(items))
    vector = _weighted_sum(coefficients, vectors)
    if not vector.any():
        return None
    # Written in ascending order of magnitude, so that the entry that counts most stays.
    order = np.argsort(np.abs(by_entry), kind="stable")
    strongest = np.empty(len(items), np.int64)
    strongest[item_of[order]] = entries[order]
    names, codes, ids = profile.action_names, profile.action_codes, profile.item_ids
    chosen = strongest.tolist()
    return Taste(
        "similar_item",
        vector,
        tuple(ids[entry] for entry in chosen),
        tuple(names[codes[entry]] for entry in chosen),
        coefficients,
        vectors,
    )


def entry_coefficients(
    weights: NDArray[np.float64],
    ages_ms: NDArray[np.float64],
    away_ms: float,
    item_of: NDArray[np.int64],
    vectors: NDArray[np.float64],
    settings: TasteSettings,
) -> NDArray[np.float64]:
    """What each entry of a history adds to the taste: u = Σ over entries of coefficient · vector.

    Args:
        weights: w, float64 [n].
        ages_ms: Relative to the newest entry, float64 [n].
        away_ms: now − T, at least 0.
        item_of: Row of ``vectors`` of each entry, int64 [n].
        vectors: v, float64 [m, D].
        settings: See `TasteSettings`.

    Returns:
        float64 [n].
    """
    half_life_ms = settings.short_half_life_hours * _HOUR_MS
    share = settings.short_share * 2.0 ** max(-1_000.0, -away_ms / half_life_ms)
    short = _directed(weights, ages_ms, half_life_ms, item_of, vectors)
    long = _directed(weights, ages_ms, settings.long_half_life_days * 24 * _HOUR_MS, item_of, vectors)
    return np.asarray(share * short + (1.0 - share) * long)


def taste_from_seeds(
    seed_items: Sequence[str], item_rows: Mapping[str, int], matrix: NDArray[np.float32]
) -> Taste | None:
    """What the seeds have in common: their sum, divided by its length as above, all weights 1.

    Returns:
        None where no seed has a vector. A seed named twice counts once.
    """
    known = [(seed, item_rows[seed]) for seed in dict.fromkeys(seed_items) if seed in item_rows]
    known = [(seed, row) for seed, row in known if matrix[row].any()]
    if not known:
        return None
    vectors = matrix[[row for _, row in known]].astype(np.float64)
    ones = np.ones(len(known))
    coefficients = _directed(ones, np.zeros(len(known)), 1.0, np.arange(len(known)), vectors)
    vector = _weighted_sum(coefficients, vectors)
    if not vector.any():
        return None
    return Taste("seed_item", vector, tuple(seed for seed, _ in known), (), coefficients, vectors)


def with_asked(own: Taste | None, asked: NDArray[np.floating], share: float) -> Taste:
    """The taste of somebody who asks for something in words: ``(1 − s) u + s q``.

    Args:
        own: u; None for a stranger, whose taste is then what they ask for alone.
        asked: q, [D], of unit length.
        share: s, 0 to 1.
    """
    wide = np.asarray(asked, np.float64)
    if own is None:
        nobody = np.zeros((0, len(wide)))
        return Taste("similar_item", wide, (), (), np.zeros(0), nobody, asked=wide)
    return replace(
        own,
        vector=(1.0 - share) * own.vector + share * wide,
        coefficients=(1.0 - share) * own.coefficients,
        asked=share * wide,
    )


def _directed(
    weights: NDArray[np.float64],
    ages_ms: NDArray[np.float64],
    half_life_ms: float,
    item_of: NDArray[np.int64],
    vectors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Each entry's coefficient in u_h, float64 [entries]."""
    decayed = weights * np.exp2(-ages_ms / half_life_ms)
    total = _weighted_sum(_sum_by_item(item_of, decayed, len(vectors)), vectors)
    length = max(float(np.linalg.norm(total)), _MIN_COHERENCE * float(np.abs(decayed).sum()))
    return decayed / length if length > 0 else np.zeros_like(decayed)


def _weighted_sum(weights: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_j weights_j vectors_j, float64 [D]; without BLAS, whose threads cost more than they save here."""
    return np.asarray(np.einsum("j,jd->d", weights, vectors))


def _sum_by_item(item_of: NDArray[np.int64], numbers: NDArray[np.float64], items: int) -> NDArray[np.float64]:
    return np.bincount(item_of, weights=numbers, minlength=items).astype(np.float64, copy=False)
