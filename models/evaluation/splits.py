"""How interactions are parted: what is learned from, what chooses settings, what is measured at last.

``official``
    The parts that a data set comes with.
``time``
    One moment for everybody: the first 80 % of interactions are learned from, the next 10 % choose, the last
    10 % are the test. Nothing later than a moment bears on what is ranked after it (Meng et al. 2020,
    "Exploring data splitting strategies for the evaluation of recommendation models"; Ji et al. 2023 on
    leakage without it).
``leave-one-out``
    Of each person with three interactions or more the last is the test, and the last but one chooses (Rendle
    et al. 2009; He et al. 2017). Without times the two are drawn at random.

In each, models are fitted on the training part alone, also for the test. People without a single training
interaction are not ranked by the latter two. By the official split they are, as papers that use it do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import TEST, TRAIN, VALIDATION, Histories, InteractionData
from models.errors import DatasetError

Protocol: TypeAlias = Literal["official", "time", "leave-one-out"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1
_FEWEST_FOR_LEAVING_OUT = 3
_RANDOM_ORDER_SEED = 1
_COLD_SEED = 2


@dataclass(frozen=True, slots=True)
class Split:
    """Interactions in three parts, each a matrix [users, items] of float32 ones (`Interactions`).

    Attributes:
        protocol: How it was made.
        train: What models are fitted on.
        validation: What settings and models are chosen by; people's ``train`` items are no candidates.
        test: What is measured at the end; their ``train`` and ``validation`` items are no candidates.
        histories: The order and times of what is behind ``train``; None where the data set tells none.
    """

    protocol: str
    train: Any
    validation: Any
    test: Any
    histories: Histories | None = None

    @property
    def seen_at_test(self) -> Any:
        """What is no candidate in the test."""
        return _ones(self.train + self.validation)


def usual_protocol(data: InteractionData) -> Protocol:
    """The official split where there is one, else by time, else leave-one-out."""
    if data.parts is not None:
        return "official"
    return "time" if data.times_ms is not None else "leave-one-out"


def split(data: InteractionData, protocol: Protocol) -> Split:
    """Part a data set.

    Raises:
        DatasetError: It has not what the protocol needs, or a part would be empty.
    """
    match protocol:
        case "official":
            parts = _official(data)
        case "time":
            parts = _by_time(data)
        case "leave-one-out":
            parts = _leave_one_out(data)
    train, validation, test = (_matrix(data, data.pairs[parts == part]) for part in (TRAIN, VALIDATION, TEST))
    if protocol != "official":
        has_history = np.diff(train.indptr) > 0
        validation, test = _of_people(validation, has_history), _of_people(test, has_history)
    for name, matrix in (("training", train), ("validation", validation), ("test", test)):
        if not matrix.nnz:
            raise DatasetError(
                f"{data.name} is too small for the protocol {protocol}: its {name} part is empty (of people "
                "with a training interaction)"
            )
    return Split(protocol, train, validation, test, _training_histories(data, protocol, parts == TRAIN))


@dataclass(frozen=True, slots=True)
class ColdItems:
    """Items of which every interaction is held out, as if they were new.

    Attributes:
        is_cold: bool [items].
        split: ``train`` and ``validation`` have nothing of these items, ``test`` has all of them, by people
            who have other training interactions.
    """

    is_cold: NDArray[np.bool_]
    split: Split


def hold_out_items(whole: Split, share: float) -> ColdItems:
    """Hold a share of the items that have training interactions out, drawn at random.

    Args:
        whole: What to take them from.
        share: Of the items, within (0, 1).

    Raises:
        DatasetError: Too few items or people for it.
    """
    known = np.flatnonzero(whole.train.sum(axis=0) > 0)
    count = max(1, round(share * len(known)))
    is_cold = np.zeros(whole.train.shape[1], np.bool_)
    is_cold[np.random.default_rng(_COLD_SEED).permutation(known)[:count]] = True
    train, validation = (_of_items(matrix, ~is_cold) for matrix in (whole.train, whole.validation))
    everything = _ones(whole.train + whole.validation + whole.test)
    test = _of_people(_of_items(everything, is_cold), np.diff(train.indptr) > 0)
    if not (train.nnz and test.nnz):
        raise DatasetError(f"too few items to hold {share:.0%} of {len(known)} out")
    histories = whole.histories
    if histories is not None:
        histories = histories.only(~is_cold[histories.items], histories.as_of_ms)
    return ColdItems(is_cold, Split(f"{whole.protocol}, cold items", train, validation, test, histories))


def _training_histories(
    data: InteractionData, protocol: Protocol, is_train: NDArray[np.bool_]
) -> Histories | None:
    """What people did up to their newest training interaction, without all that is held out."""
    histories, times_ms = data.histories, data.times_ms
    if histories is None or times_ms is None:
        return None
    newest_ms = np.full(data.users, np.iinfo(np.int64).min)
    np.maximum.at(newest_ms, data.pairs[is_train, 0], times_ms[is_train])
    pair = histories.users * data.items + histories.items
    held_out = data.pairs[~is_train, 0] * data.items + data.pairs[~is_train, 1]
    is_kept = (histories.times_ms <= newest_ms[histories.users]) & ~np.isin(pair, held_out)
    # By time all people are looked at in the moment of the cut; else each just after what they did last.
    as_of_ms = int(times_ms[is_train].max()) if protocol == "time" and is_train.any() else None
    return histories.only(is_kept, as_of_ms)


def _official(data: InteractionData) -> NDArray[np.int8]:
    if data.parts is None:
        raise DatasetError(f"{data.name} has no official split: use the protocol time or leave-one-out")
    return data.parts


def _by_time(data: InteractionData) -> NDArray[np.int8]:
    if data.times_ms is None:
        raise DatasetError(f"{data.name} has no times: use the protocol official or leave-one-out")
    first, second = np.quantile(
        data.times_ms, [TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE], method="inverted_cdf"
    )
    # Interactions of one moment are never parted.
    parts = np.full(len(data.pairs), TEST, np.int8)
    parts[data.times_ms <= second] = VALIDATION
    parts[data.times_ms <= first] = TRAIN
    return parts


def _leave_one_out(data: InteractionData) -> NDArray[np.int8]:
    count = len(data.pairs)
    chance = np.random.default_rng(_RANDOM_ORDER_SEED).permutation(count)
    keys: Sequence[NDArray[np.int64]] = (
        (chance, data.pairs[:, 0]) if data.times_ms is None else (chance, data.times_ms, data.pairs[:, 0])
    )
    order = np.lexsort(keys)
    people = data.pairs[order, 0]
    per_person = np.bincount(people)
    # How many of the person's interactions come after it.
    later = np.cumsum(per_person)[people] - 1 - np.arange(count)
    is_parted = per_person[people] >= _FEWEST_FOR_LEAVING_OUT
    parts = np.full(count, TRAIN, np.int8)
    parts[order[is_parted & (later == 1)]] = VALIDATION
    parts[order[is_parted & (later == 0)]] = TEST
    return parts


def _matrix(data: InteractionData, pairs: NDArray[np.int64]) -> Any:
    from scipy.sparse import csr_array

    ones = np.ones(len(pairs), np.float32)
    return _ones(csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(data.users, data.items)))


def _of_people(matrix: Any, is_kept: NDArray[np.bool_]) -> Any:
    entries = matrix.tocoo()
    return _filtered(matrix, is_kept[entries.coords[0]])


def _of_items(matrix: Any, is_kept: NDArray[np.bool_]) -> Any:
    entries = matrix.tocoo()
    return _filtered(matrix, is_kept[entries.coords[1]])


def _filtered(matrix: Any, is_kept: NDArray[np.bool_]) -> Any:
    from scipy.sparse import csr_array

    entries = matrix.tocoo()
    rows, columns = (numbers[is_kept] for numbers in entries.coords)
    return _ones(csr_array((entries.data[is_kept], (rows, columns)), shape=matrix.shape))


def _ones(matrix: Any) -> Any:
    """The same entries in canonical form, each 1."""
    found = matrix.tocsr()
    found.sum_duplicates()
    found.eliminate_zeros()
    found.data = np.ones(found.nnz, np.float32)
    return found
