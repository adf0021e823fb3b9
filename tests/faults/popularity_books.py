"""Whether each item's popularity is what people did: event by event, or as far as histories reach."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.faults.check import Check
from tests.faults.reference_profiles import Reference, ReferenceProfile

HALF_LIFE_S = 7 * 86_400.0
# Histories keep a weight in single precision.
_TOLERANCE = 1e-6

# Weight and time (seconds) of an effect.
_Effect = tuple[float, float]


def popularity(reference: Reference, stored: Mapping[bytes, bytes], *, was_emptied: bool) -> Check:
    """Every item's counter is the decayed sum of what people did.

    Args:
        stored: Item → weight and time, as Redis holds them.
        was_emptied: Redis had lost its data: of each person at least what their history holds must be
            counted, and nothing more than once. What is in the last history was in each one before it, or
            came later.
    """
    least = _of_histories(reference.profiles.values()) if was_emptied else reference.popularity
    wrong: list[str] = []
    above = below = exact = 0
    for item_id, effects in reference.popularity.items():
        value = stored.get(item_id.encode())
        remembered = least.get(item_id, [])
        if value is None:
            below += bool(remembered)
            wrong += [item_id] * bool(remembered)
            continue
        weight, at_s = struct.unpack(">dd", value)
        floor, ceiling = _decayed(remembered, at_s), _decayed(effects, at_s)
        too_low, too_high = weight < floor * (1 - _TOLERANCE), weight > ceiling * (1 + _TOLERANCE)
        below += too_low
        above += too_high
        wrong += [item_id] * (too_low or too_high)
        exact += math.isclose(weight, ceiling, rel_tol=_TOLERANCE)
    name = "every item's popularity is as recomputed"
    return Check(
        f"{name}, as far as histories reach" if was_emptied else name,
        not wrong,
        {
            "items": len(reference.popularity),
            "wrong": len(wrong),
            "below": below,
            "above": above,
            "equal_to_all_events": exact,
            "first_wrong": wrong[:3],
        },
    )


def _of_histories(people: Iterable[ReferenceProfile]) -> dict[str, list[_Effect]]:
    found: dict[str, list[_Effect]] = defaultdict(list)
    for one in people:
        for time_ms, item_id, _, weight in one.history:
            if weight > 0:
                found[item_id].append((weight, time_ms / 1_000))
    return found


def _decayed(effects: Iterable[_Effect], at_s: float) -> float:
    return math.fsum(weight * 2 ** ((then_s - at_s) / HALF_LIFE_S) for weight, then_s in effects)
