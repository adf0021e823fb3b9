"""Items regressed on the items around them in histories, in closed form.

EASE (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019) with a Gram matrix that knows
of order: two events of one person that are d apart count ``0.3 + 0.7 · 0.92^d`` instead of 1, so that what
stands near in a history explains more. That is a positive definite kernel, so with n_i the events of item
i and ``P = (G + diag(500 + n))⁻¹`` the weights ``B[h, i] = −P[h, i] / P[i, i]``, ``B[i, i] = 0``, are
those of a ridge regression of every item on all others.

A fit over N items costs N³: it is made now and then, of the items used most, from the log of events.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.interactions.log import EventLog

RIDGE, EVER_RIDGE, LIKING_RIDGE = 500.0, 150.0, 200.0
_NEAR_SHARE, _DECAY = 0.7, 0.92
# 0.92^d is below 0.003 from here on.
_REACH = 70
# Pages of a Gram matrix are gone through by this many pairs at once.
_PAIRS_AT_ONCE, _PEOPLE_AT_ONCE = 1 << 20, 4_096


@dataclass(frozen=True, slots=True)
class ItemRegression:
    """Weights between items.

    Attributes:
        item_ids: N items.
        weights: float32 [N, N]; row h is what h adds to each item.
    """

    item_ids: tuple[str, ...]
    weights: NDArray[np.float32]


class _Stored(msgspec.Struct, array_like=True):
    """Of each item's weights the ``kept`` largest: columns, int32, and values, float16; little-endian."""

    item_ids: tuple[str, ...]
    kept: int
    order: bytes
    values: bytes


def fit(log: EventLog, item_ids: dict[int, str], max_items: int) -> ItemRegression:
    """Fit the items used most among the events of a log.

    Args:
        log: Events.
        item_ids: Row → item.
        max_items: N is at most this.
    """
    chosen, items, people, _ = _most_used(log, max_items)
    counts = np.bincount(items, minlength=len(chosen))
    gram = _gram(items, people, len(chosen))
    gram[np.diag_indices_from(gram)] += RIDGE + counts
    return ItemRegression(tuple(item_ids[row] for row in chosen.tolist()), _weights(gram))


def fit_ever(log: EventLog, item_ids: dict[int, str], max_items: int) -> ItemRegression:
    """EASE as it was published, on all events of a history alike: ``P = (XᵀX + 150)⁻¹``, X binary."""
    chosen, items, people, _ = _most_used(log, max_items)
    gram = np.zeros((len(chosen), len(chosen)))
    _add_products(gram, items, people, np.ones(len(items), np.float32))
    gram[np.diag_indices_from(gram)] += EVER_RIDGE
    return ItemRegression(tuple(item_ids[row] for row in chosen.tolist()), _weights(gram))


def fit_signed(log: EventLog, item_ids: dict[int, str], max_items: int) -> ItemRegression:
    """The same with X of `signs`: what people liked speaks for what others like who liked it too."""
    chosen, items, people, weights = _most_used(log, max_items)
    gram = np.zeros((len(chosen), len(chosen)))
    _add_products(gram, items, people, signs(weights))
    gram[np.diag_indices_from(gram)] += EVER_RIDGE
    return ItemRegression(tuple(item_ids[row] for row in chosen.tolist()), _weights(gram))


def signs(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 for a positive weight, ½ for none, −0.2 for a negative one: also that says of what a person uses."""
    return np.where(weights > 0, 1.0, np.where(weights < 0, -0.2, 0.5)).astype(np.float32)


def fit_liking(log: EventLog, item_ids: dict[int, str], max_items: int) -> ItemRegression:
    """Fit how far weights lie above what person and item lead one to expect, on the same of other items.

    ``B[h, i] = −P[h, i] / P[i, i]``, ``P = (RᵀR + 200)⁻¹``, with R the residuals [people, items]
    ``weight − m_i − b_u``: m_i as in `models.signals.popularity`, ``b_u = Σ_i (weight − m_i) / (n_u + 5)``.
    """
    chosen, items, people, weights = _most_used(log, max_items)
    count = len(chosen)
    item_counts = np.bincount(items, minlength=count)
    residuals = weights - ((np.bincount(items, weights, minlength=count) + 2.5) / (item_counts + 5.0))[items]
    _, person = np.unique(people, return_inverse=True)
    bias = np.bincount(person, residuals) / (np.bincount(person) + 5.0)
    residuals = residuals - bias[person]
    gram = np.zeros((count, count))
    _add_products(gram, items, people, residuals)
    gram[np.diag_indices_from(gram)] += LIKING_RIDGE
    return ItemRegression(tuple(item_ids[row] for row in chosen.tolist()), _weights(gram))


def encode(model: ItemRegression, kept: int) -> bytes:
    """The model as MessagePack: of each item's weights the ``kept`` largest by size, as float16."""
    count = len(model.item_ids)
    kept = min(kept, count)
    order = np.argpartition(-np.abs(model.weights), max(kept - 1, 0), axis=1)[:, :kept]
    values = np.take_along_axis(model.weights, order, axis=1).astype("<f2")
    return msgspec.msgpack.encode(
        _Stored(model.item_ids, kept, order.astype("<i4").tobytes(), values.tobytes())
    )


def decode(payload: bytes) -> ItemRegression:
    """Read what `encode` wrote, in this release or another.

    Raises:
        ModelError: It is something else.
    """
    try:
        stored = msgspec.msgpack.decode(payload, type=_Stored)
        shape = (len(stored.item_ids), stored.kept)
        at = np.frombuffer(stored.order, "<i4").reshape(shape)
        weights = np.zeros((len(stored.item_ids), len(stored.item_ids)), np.float32)
        np.put_along_axis(weights, at.astype(np.int64), np.frombuffer(stored.values, "<f2").reshape(shape), 1)
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise ModelError(f"a stored item regression cannot be read: {error}") from None
    return ItemRegression(stored.item_ids, weights)


def weightings(
    ranks: NDArray[np.int64], ages_s: NDArray[np.float64], last_page: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """How much each recent entry counts in each signal: 0.87^r, 0.96^r, exp(−a / 120 s), the last page.

    Returns:
        float32 [signals, n].
    """
    return np.stack([0.87**ranks, 0.96**ranks, np.exp(ages_s / -120.0), last_page]).astype(np.float32)


def _most_used(
    log: EventLog, max_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows of the items used most; and of all events on them: position in these, person, weight."""
    items, people, weights, _ = log.sequences()
    counts = np.bincount(items, minlength=1)
    most = np.argsort(-counts, kind="stable")[:max_items]
    most = np.sort(most[counts[most] > 0])
    at = np.full(len(counts), -1, np.int64)
    at[most] = np.arange(len(most))
    kept = at[items] >= 0
    return most, at[items[kept]], people[kept], weights[kept]


def _add_products(
    gram: NDArray[np.float64],
    items: NDArray[np.int64],
    people: NDArray[np.int64],
    values: NDArray[np.floating],
) -> None:
    """Add XᵀX for X [people, items] of the values; of an item that a person used again, the last value."""
    _, person = np.unique(people, return_inverse=True)
    for begin in range(0, int(person.max(initial=-1)) + 1, _PEOPLE_AT_ONCE):
        inside = (person >= begin) & (person < begin + _PEOPLE_AT_ONCE)
        used = np.zeros((int(person[inside].max()) - begin + 1, len(gram)), np.float32)
        used[person[inside] - begin, items[inside]] = values[inside]
        gram += used.T @ used


def _weights(gram: NDArray[np.float64]) -> NDArray[np.float32]:
    """Regression weights of every item on the others; the Gram matrix has its ridge in it."""
    if not len(gram):
        return gram.astype(np.float32)
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, np.float32)


def _gram(items: NDArray[np.int64], people: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Σ over pairs of one person's events of 0.3 + 0.7 · 0.92^d, without the diagonal. [count, count]"""
    gram = np.zeros(count * count)
    for distance in range(1, min(_REACH, len(items) - 1) + 1):
        same = people[distance:] == people[:-distance]
        pairs = items[distance:][same] * count + items[:-distance][same]
        for begin in range(0, len(pairs), _PAIRS_AT_ONCE):
            block, times = np.unique(pairs[begin : begin + _PAIRS_AT_ONCE], return_counts=True)
            gram[block] += _NEAR_SHARE * _DECAY**distance * times
    square = gram.reshape(count, count)
    square += square.T.copy()
    # The share that does not depend on distance: products of how often each person used each item.
    share = np.full(len(items), np.sqrt(1.0 - _NEAR_SHARE))
    _add_products(square, items, people, share)
    np.fill_diagonal(square, 0.0)
    return square
