"""The base scorer's three parts as signals, and what the person had to do with the item itself.

==================  =========================================================================================
signal              formula
==================  =========================================================================================
taste               uᵀ v_i, u the taste of the newest 50 entries (`models.profile.taste`)
popular_share       log(1 + events that fade over 10 days), over its largest of all items
fresh               2^(−age / 7 days) since the item's creation
own_times           log(1 + entries of the person's history on this item)
own_age             −log(1 + hours since the newest of them); 0 where there is none
==================  =========================================================================================

With weights in the ratio of the base scorer's, a cascade that has learned nothing ranks as the base scorer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Person
from models.profile.state import Profile
from models.profile.taste import Taste, TasteSettings, taste
from models.retrieval.index import ItemIndex
from models.signals.situation import RECENT_ENTRIES, Situation

NAMES = ("taste", "popular_share", "fresh", "own_times", "own_age")
_POPULAR_SPAN = 2
_FRESH_HALF_LIFE_DAYS = 7.0
_SETTINGS = TasteSettings()


def taste_of(person: Person, index: ItemIndex) -> Taste | None:
    """The taste of a person by their newest entries; None where it is not known."""
    item_ids = person.item_ids[-RECENT_ENTRIES:]
    if not item_ids:
        return None
    recent = Profile(
        person.user_id,
        item_ids=item_ids,
        action_codes=bytes(len(item_ids)),
        weights=person.weights[-RECENT_ENTRIES:].tobytes(),
        times_ms=person.times_ms[-RECENT_ENTRIES:].tobytes(),
        action_names=("",),
        action_counts=(0,),
    )
    return taste(recent, index.item_rows, index.vectors, person.now_ms, _SETTINGS)


def base(
    situation: Situation,
    index: ItemIndex,
    own: Taste | None,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    memory_rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The signals of candidates, float32 [signals, n].

    Args:
        situation: The person and moment.
        index: Knows when items were created.
        own: The person's taste.
        rows: Of the index: the candidates.
        vectors: Theirs, float32 [n, D].
        memory_rows: The same in the memory, −1 where it does not know them.
    """
    signals = np.zeros((len(NAMES), len(rows)), np.float32)
    if own is not None:
        np.vecdot(vectors, own.vector.astype(np.float32), out=signals[0])
    counts = situation.memory.popularity
    # The row after the last item's is always empty.
    columns = np.where(memory_rows < 0, situation.columns - 1, memory_rows)
    largest = counts.most_recent_in(_POPULAR_SPAN, situation.now_s)
    if largest > 0:
        recent = counts.recent_in(_POPULAR_SPAN, columns, situation.now_s).astype(np.float32)
        np.multiply(np.log1p(recent), np.float32(1.0 / np.log1p(largest)), out=signals[1])
    ages_ms = np.maximum(situation.now_s * 1_000.0 - index.created_at_ms.take(rows), 0.0)
    np.exp2((ages_ms * (-1.0 / 86_400_000.0 / _FRESH_HALF_LIFE_DAYS)).astype(np.float32), out=signals[2])
    history = situation.history
    own_rows = np.zeros(situation.columns, np.bool_)
    own_rows[history.rows] = True
    met = own_rows.take(columns).nonzero()[0]
    # Mostly none: what was used once is seldom listed again.
    if len(met):
        used, newest, times = np.unique(history.rows, return_index=True, return_counts=True)
        at = np.searchsorted(used, columns[met])
        signals[3, met] = np.log1p(times[at])
        hours = (situation.now_s - history.times_s[newest[at]]) / 3_600.0
        signals[4, met] = -np.log1p(np.maximum(hours, 0.0))
    return signals
