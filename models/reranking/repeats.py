"""No repeats: what was shown a short while ago waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

HOUR_MS = 3_600_000.0


def without_repeats(
    positions: Sequence[int],
    item_ids: Sequence[str],
    shown_ms: Mapping[str, int],
    now_ms: int,
    hours: float,
    count: int,
    kept: Collection[int],
) -> list[int]:
    """The candidates less those shown within ``hours``, in their order.

    Where fewer than ``count`` are left, those shown longest ago come back, each to its old place among
    the others: an old item is better than a gap.

    Args:
        positions: Into ``item_ids``, best first.
        item_ids: The candidates.
        shown_ms: Item id → when it was last shown, in milliseconds since the epoch.
        now_ms: Milliseconds since the epoch.
        hours: How long an item waits after it was shown.
        count: How many are wanted.
        kept: Positions that stay although shown.
    """
    since_ms = now_ms - hours * HOUR_MS
    shown = {
        position: when
        for position in positions
        if position not in kept and (when := shown_ms.get(item_ids[position])) is not None and when > since_ms
    }
    missing = max(0, count - (len(positions) - len(shown)))
    # Of those shown at the same time, as a whole list is, the best come back first: sorting is stable.
    for position in sorted(shown, key=shown.__getitem__)[:missing]:
        del shown[position]
    return [position for position in positions if position not in shown]
