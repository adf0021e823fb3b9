"""Which items a list may hold, and in words why there are too few.

Left out are items that are not available, those in ``exclude``, the seeds themselves, those that do not
match the filter, and those the person has seen. Items named as candidates are ranked although seen: who
names them wants them ranked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.errors import ListQueryError
from models.profile.state import Profile
from models.retrieval.columns import Mask
from models.retrieval.filters import Filter
from models.retrieval.index import ItemIndex


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for.

    Attributes:
        count: Items wanted, ≥ 1.
        candidates: Rank just these; None for the whole catalogue.
        exclude: Items to leave out.
        filter: Attribute → value, list of values, or `FilterRange`.
        seed_items: Items that those listed shall resemble. They take the place of the person's taste;
            where none of them has a vector, the taste decides after all.
        asked: Vector of what is asked for in words, float32 [D] of unit length; None where nothing is.

    Raises:
        ListQueryError: ``count`` is below 1.
    """

    count: int = 20
    candidates: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    filter: Filter = field(default_factory=dict)
    seed_items: Sequence[str] = ()
    asked: NDArray[np.float32] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ListQueryError(f"a list of {self.count} items was asked for; it must be at least 1")


def eligible_rows(index: ItemIndex, profile: Profile | None, query: ListQuery) -> Mask:
    """Which rows may be listed, bool [rows].

    Items that only the profile's Bloom filter knows as seen are still in it: testing the few that reach
    the top is cheaper than testing all.
    """
    mask = _pool(index, query)
    if query.filter:
        mask &= index.matching(query.filter)
    mask &= index.available
    mask[index.rows_of(query.exclude)] = False
    mask[index.rows_of(query.seed_items)] = False
    if profile is not None and query.candidates is None:
        mask[index.rows_of_hashes(profile.seen_hashes())] = False
    return mask


def shortfall(index: ItemIndex, profile: Profile | None, query: ListQuery, served: int) -> str:
    """Why fewer than ``query.count`` items could be served."""
    return f"{query.count} asked for, {served} served: " + "; ".join(_causes(index, profile, query))


def _causes(index: ItemIndex, profile: Profile | None, query: ListQuery) -> list[str]:
    if not len(index):
        return ["the catalogue is empty"]
    causes: list[str] = []
    pool = _pool(index, query)
    left = int(pool.sum())
    if query.candidates is None:
        causes.append(f"the catalogue holds {_items(left)}")
    else:
        named = len(set(query.candidates))
        causes.append(f"{named} candidate{'' if named == 1 else 's'} named")
        if named > left:
            causes.append(f"unknown candidates: {named - left}")
    if query.filter:
        pool &= index.matching(query.filter)
        left = int(pool.sum())
        causes.append(f"the filter leaves {_items(left)}")

    def leave_out(gone: Mask, words: str) -> None:
        count = int((pool & gone).sum())
        if count:
            causes.append(f"{words}: {count}")
        pool[gone] = False

    leave_out(~index.available, "not available")
    leave_out(_mask_of(index, query.exclude), "excluded")
    leave_out(_mask_of(index, query.seed_items), "seeds themselves")
    if profile is not None and query.candidates is None:
        leave_out(profile.has_seen(index.hashes), "already seen")
    return causes


def _pool(index: ItemIndex, query: ListQuery) -> Mask:
    return index.live.copy() if query.candidates is None else _mask_of(index, query.candidates)


def _mask_of(index: ItemIndex, item_ids: Sequence[str]) -> Mask:
    mask = np.zeros(index.rows, np.bool_)
    mask[index.rows_of(item_ids)] = True
    return mask


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"
