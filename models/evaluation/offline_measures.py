"""Everything that is measured of one fitted model's rankings of a held-out part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation import popularity_bias as bias
from models.evaluation.full_ranking import NO_ITEM, Rankings
from models.evaluation.list_metrics import intra_list_diversity, novelty
from models.evaluation.user_metrics import PerUser, accuracy

SEGMENT_METRICS = ("recall@20", "ndcg@20")
ITEM_GROUPS = ("new", "tail", "middle", "head")
USER_GROUPS = ("few", "middle", "many")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model reached.

    Attributes:
        users: The people that were ranked, int64 [n].
        per_user: Of each, by metric, float64 [n]; NaN where it does not exist.
        popularity: By k, the mean popularity of each one's list and of each one's history, float64 [n] each;
            NaN where it does not exist. The lift is made of it.
        of_lists: Metrics of the lists as a whole; None where they do not exist.
        segments: ``users`` and ``items`` → group → ``n`` and metrics.
    """

    users: NDArray[np.int64]
    per_user: Mapping[str, PerUser]
    popularity: Mapping[int, tuple[PerUser, PerUser]]
    of_lists: Mapping[str, float | None]
    segments: Mapping[str, Mapping[str, Mapping[str, float | None]]]

    def values(self) -> dict[str, float | None]:
        """Every metric, averaged over people."""
        return {name: mean(values) for name, values in self.per_user.items()} | dict(self.of_lists)


class OfflineMeasures:
    """Measures rankings of models that were fitted on the same interactions.

    Args:
        train: What was fitted on, [users, items].
        features: Modality → [items, D], for the diversity of lists.
        class_names: Of the classes by which calibration is measured; () for groups of popularity.
        classes: Whether an item belongs to a class, bool [items, classes].
        cutoffs: The k of each metric.
    """

    def __init__(
        self,
        train: Any,
        features: Mapping[str, NDArray[np.float32]],
        class_names: Sequence[str] = (),
        classes: NDArray[np.bool_] | None = None,
        cutoffs: Sequence[int] = (10, 20),
    ) -> None:
        self.cutoffs = tuple(cutoffs)
        self._train = train
        self._counts = np.asarray(train.sum(axis=0), np.int64)
        self._activity = np.diff(train.indptr).astype(np.int64)
        self._item_groups = item_groups(self._counts)
        self._vectors = _beside_each_other(features, len(self._counts))
        if classes is None or not class_names:
            self.calibrated_by = "popularity"
            classes = self._item_groups[:, None] == np.arange(len(ITEM_GROUPS))
        else:
            self.calibrated_by = "classes"
        totals = classes.sum(axis=1, keepdims=True)
        self._classes = np.divide(classes, totals, out=np.zeros(classes.shape), where=totals > 0)

    def measure(self, rankings: Rankings) -> Measured:
        """Measure one model's rankings."""
        per_user = accuracy(rankings, self.cutoffs)
        of_histories = bias.history_means(self._train[rankings.users], self._counts)
        popularity = {
            k: (bias.list_means(rankings.lists[:, :k], self._counts), of_histories) for k in self.cutoffs
        }
        return Measured(
            users=rankings.users,
            per_user=per_user | self._lists(rankings),
            popularity=popularity,
            of_lists={
                **{f"coverage@{k}": self._coverage(rankings.lists[:, :k]) for k in self.cutoffs},
                **{f"popularity_lift@{k}": bias.popularity_lift(*popularity[k]) for k in self.cutoffs},
            },
            segments={
                "users": self._user_segments(rankings, per_user),
                "items": self._item_segments(rankings),
            },
        )

    def _lists(self, rankings: Rankings) -> dict[str, PerUser]:
        """What each person's list is like, whatever they took of it."""
        found: dict[str, PerUser] = {}
        p = bias.class_shares_of_histories(self._train[rankings.users], self._classes)
        total = int(self._counts.sum())
        for k in self.cutoffs:
            lists = rankings.lists[:, :k]
            items = [row[row != NO_ITEM] for row in lists]
            found[f"diversity@{k}"] = _values(intra_list_diversity(self._vectors[rows]) for rows in items)
            found[f"novelty@{k}"] = _values(
                novelty(self._counts[rows], total, len(self._counts)) for rows in items
            )
            found[f"arp@{k}"] = bias.list_means(lists, self._counts)
            q = bias.class_shares_of_lists(lists, self._classes)
            found[f"calibration@{k}"] = bias.miscalibration(p, q)
        return found

    def _coverage(self, lists: NDArray[np.int64]) -> float | None:
        listed = np.unique(lists[lists != NO_ITEM])
        return len(listed) / len(self._counts) if len(self._counts) else None

    def _user_segments(
        self, rankings: Rankings, per_user: Mapping[str, PerUser]
    ) -> dict[str, dict[str, float | None]]:
        """People by how many interactions were learned from: thirds of those who are ranked."""
        activity = self._activity[rankings.users]
        if not len(activity):
            return {}
        low, high = np.quantile(activity, [1 / 3, 2 / 3], method="inverted_cdf")
        found = {}
        for name, is_in in zip(
            USER_GROUPS,
            (activity <= low, (activity > low) & (activity <= high), activity > high),
            strict=True,
        ):
            if is_in.any():
                found[name] = {
                    "n": int(is_in.sum()),
                    "fewest_interactions": int(activity[is_in].min()),
                    "most_interactions": int(activity[is_in].max()),
                    **{metric: mean(per_user[metric][is_in]) for metric in self._segment_metrics(per_user)},
                }
        return found

    def _item_segments(self, rankings: Rankings) -> dict[str, dict[str, float | None]]:
        """Held-out items by popularity: recall as if only those of the group had been held out."""
        groups = self._item_groups[rankings.items]
        people = len(rankings)
        found = {}
        for number, name in enumerate(ITEM_GROUPS):
            is_in = groups == number
            if not is_in.any():
                continue
            relevant = np.bincount(rankings.owner[is_in], minlength=people)
            found[name] = {
                "n": int(is_in.sum()),
                "items": int((self._item_groups == number).sum()),
                **{
                    f"recall@{k}": mean(
                        np.bincount(rankings.owner[is_in & (rankings.ranks <= k)], minlength=people)[
                            relevant > 0
                        ]
                        / relevant[relevant > 0]
                    )
                    for k in self.cutoffs
                },
            }
        return found

    def _segment_metrics(self, per_user: Mapping[str, PerUser]) -> list[str]:
        return [name for name in SEGMENT_METRICS if name in per_user]


def item_groups(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """To which of `ITEM_GROUPS` each item belongs, int64 [items].

    Without an interaction an item is new. Of the others the head is the fewest, most popular items that
    together have a third of all interactions, the middle those with the next third, the tail the rest.
    """
    order = np.argsort(-counts, kind="stable")
    share_before = (np.cumsum(counts[order]) - counts[order]) / max(1, int(counts.sum()))
    groups = np.empty(len(counts), np.int64)
    groups[order] = np.select([share_before < 1 / 3, share_before < 2 / 3], [3, 2], 1)
    groups[counts == 0] = 0
    return groups


def _values(found: Iterable[float | None]) -> PerUser:
    return np.array([np.nan if value is None else value for value in found], np.float64)


def mean(values: NDArray[np.floating]) -> float | None:
    """The mean of what is not NaN; None where there is nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _beside_each_other(features: Mapping[str, NDArray[np.float32]], items: int) -> NDArray[np.float32]:
    """Vectors of unit length of all modalities in one row, centred on their means, [items, ΣD]."""
    blocks = [np.zeros((items, 0), np.float32)]
    for vectors in features.values():
        is_there = np.asarray(vectors.any(axis=1))
        centred = np.where(is_there[:, None], vectors - vectors[is_there].mean(axis=0), np.float32(0))
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        blocks.append(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0))
    return np.concatenate(blocks, axis=1)
