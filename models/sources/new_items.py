"""Items with few positive events: those that go with what the person did, and those created last.

Half are items that somebody has used: by lift, their company with the person's last ten over how often they
were used at all, as what is rare stands low wherever counts are compared with those of well-known items.
Half are the nearest to the person's taste among those created last, most of which nobody has used yet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.signals import covisitation
from models.sources.proposals import best_of, best_rows, each_once

# Items looked at for each one wanted: some of the newest are well known already.
_LOOKED_AT = 8
_GATHERED = 8
_COMPANY = [
    covisitation.NAMES.index(name)
    for name in ("near_after_ten", "near_before_ten", "session_after_ten", "page_ten", "ever_ten")
]
# Of company, which is a logarithm, and in events: what an item has for having been used at all.
_PRIOR_EVENTS = 2.0


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    used, created = _used(moment, eligible, budget), _created(moment, eligible, budget)
    mixed = np.empty(len(used) + len(created), np.int64)
    both = min(len(used), len(created))
    mixed[0 : 2 * both : 2], mixed[1 : 2 * both : 2] = used[:both], created[:both]
    mixed[2 * both :] = np.concatenate([used[both:], created[both:]])
    return each_once(mixed)[:budget]


def _used(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    knowledge = moment.knowledge
    items = slice(0, len(knowledge.memory))
    counts = knowledge.memory.popularity
    events = counts.count[items].astype(np.float32)
    events += np.float32(_PRIOR_EVENTS)
    lift = -np.log(events, out=events)
    if len(moment.situation.recent):
        company = moment.company[:, items]
        together = company[_COMPANY[0]].copy()
        for sums in _COMPANY[1:]:
            together += company[sums]
        lift += together * np.float32(1.0 / len(_COMPANY))
    listable = moment.listable(eligible)
    new = listable[counts.positives.take(listable) < knowledge.settings.new_item_events]
    return best_of(lift, knowledge.in_index, new, budget)


def _created(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    knowledge = moment.knowledge
    index = knowledge.index
    newest = index.newest(eligible, _LOOKED_AT * budget)
    newest = newest[knowledge.positives(newest) < knowledge.settings.new_item_events]
    if moment.taste is None:
        return newest[:budget]
    taste = moment.taste.vector.astype(np.float32)
    # Of many, products with all of them are faster than to gather those.
    if _GATHERED * len(newest) > index.rows:
        return best_rows(np.vecdot(index.vectors, taste), index.hashes, newest, budget)
    near = np.vecdot(index.vectors[newest], taste)
    return newest[best_rows(near, index.hashes[newest], np.arange(len(newest)), budget)]
