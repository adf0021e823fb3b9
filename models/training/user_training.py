"""A sequence model learned from what people do next.

At every entry of a history the person's vector is to pick an item that they liked soon after, among those of
the batch and others drawn evenly (InfoNCE, van den Oord et al. 2018)::

    p(i | u) = softmax_i( u · vᵢ / τ + γ · log q(i) )

with q(i) the share of item i in all likes. With γ = 1 what is popular need not be told by the person's vector
(the logQ correction, Yi et al. 2019, "Sampling-bias-corrected neural modeling"); with γ = 0 it leans to what
is popular. Items' vectors are given and stay as they are, but in a share of the steps all of them, of
histories as of candidates, are those of items that lack some of their modalities (modality dropout,
Neverova et al. 2016, "ModDrop"): a person is to be known also by what a catalogue tells less of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.datasets.interactions import Histories
from models.errors import TrainingError
from models.training.checkpoints import Checkpoint
from models.training.device import CPU
from models.training.missing_modalities import Views, no_views
from models.training.user_network import UserNetwork
from models.user.inputs import AGO, entry_inputs, log_seconds

OnEpoch = Callable[[int, float, UserNetwork], bool]
"""Told the epoch, from 1, its mean loss and the network, in evaluation mode; True ends the training."""
_MS = 1_000.0
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class UserModelSettings:
    """How a sequence model learns.

    Attributes:
        hidden: Width of the network; a multiple of 4.
        dropout: See `UserNetwork`.
        history_entries: Of a history, the newest that are read.
        horizon: Likes ahead that one is drawn from as the target.
        temperature: τ.
        popularity: γ.
        learning_rate: Of AdamW, at its highest.
        weight_decay: Of AdamW.
        batch_windows: Stretches of histories a step.
        negatives: Items drawn evenly as negatives, besides those of the batch.
        modality_dropout: The share of steps in which items lack modalities, where there are views of them.
        epochs: Each looks at about every entry once.
    """

    hidden: int = 128
    dropout: float = 0.2
    history_entries: int = 50
    horizon: int = 2
    temperature: float = 0.03
    popularity: float = 0.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    batch_windows: int = 64
    negatives: int = 1_024
    modality_dropout: float = 0.5
    epochs: int = 20


@dataclass(frozen=True, slots=True)
class _Window:
    """Entries from ``begin`` to before ``end``, all of one person, by number."""

    person: int
    begin: int
    end: int


class UserTraining:
    """One training run: made, `run`, and asked for its network.

    Args:
        settings: How.
        histories: What people did.
        vectors: Of all items, float32 [items, D] of unit length; zero where an item has none.
        seed: Of everything random.
        checkpoint: A file that keeps the state after every epoch; a run that finds its own there goes on
            from it.
        views: Vectors of the same items as they are without some of their modalities.
        device: Where it learns; the network comes back to the CPU.

    Raises:
        TrainingError: Nobody liked an item after another, or vectors cannot be used.
    """

    def __init__(
        self,
        settings: UserModelSettings,
        histories: Histories,
        vectors: NDArray[np.float32],
        seed: int,
        checkpoint: Path | None = None,
        views: Views = no_views,
        device: torch.device = CPU,
    ) -> None:
        if settings.hidden % 4 or settings.hidden < 4:
            raise TrainingError(f"hidden is {settings.hidden}; it must be a multiple of 4")
        if not np.isfinite(vectors).all():
            raise TrainingError("a vector holds a number that is not finite")
        self._settings = settings
        self._device = device
        self._histories = known = histories.only(np.asarray(vectors.any(axis=1))[histories.items])
        self._whole = self._here(np.ascontiguousarray(vectors, np.float32))
        self._views = views
        self._random = np.random.default_rng(seed)
        torch.manual_seed(seed)
        # Several threads would add gradients in whatever order they come.
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._likes = _likes_after(known)
        self._bounds = _bounds(known.users)
        self._taken_by = [np.unique(known.items[begin:end]) for begin, end in self._bounds]
        self._told = np.concatenate(
            [np.zeros((0, AGO), np.float32)] + [_told(known, begin, end) for begin, end in self._bounds]
        )
        liked = known.items[known.weights > 0]
        if not len(liked) or not (self._likes >= 0).any():
            raise TrainingError("nobody liked an item after another: there is nothing to learn from")
        shares = np.bincount(liked, minlength=len(vectors)) / len(liked)
        self._log_share = self._here(np.log(shares + _SMOOTHING / len(liked)).astype(np.float32))
        # What nobody took is no negative: nothing says that it is not wanted.
        self._taken = np.unique(known.items)
        self.network = UserNetwork(vectors.shape[1], settings.hidden, settings.dropout).to(device)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._steps = -(-len(self._cut()) // settings.batch_windows)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, settings.learning_rate, total_steps=self._steps * settings.epochs, pct_start=0.15
        )
        run = hashlib.sha256(repr((settings, seed)).encode() + data_fingerprint(histories, vectors).encode())
        parts = {"network": self.network, "optimiser": self._optimiser, "schedule": self._schedule}
        self._checkpoint = Checkpoint(checkpoint, run.hexdigest(), self._random, parts)
        self.losses: list[float] = []

    def run(self, on_epoch: OnEpoch = lambda epoch, loss, network: False) -> UserNetwork:
        """Train to the end, or until ``on_epoch`` says so; the network is left on the CPU, for evaluation."""
        self.losses = self._checkpoint.resume()
        size = self._settings.batch_windows
        for epoch in range(len(self.losses) + 1, self._settings.epochs + 1):
            self.network.train()
            windows = self._cut()
            order = self._random.permutation(len(windows))
            less = [self._here(one) for one in self._views(int(self._random.integers(2**31)))]
            losses = [
                self._step([windows[number] for number in order[begin : begin + size].tolist()], less)
                for begin in range(0, len(order), size)
            ]
            self.losses.append(float(np.mean(losses)))
            self._checkpoint.keep(self.losses)
            self.network.eval()
            if on_epoch(epoch, self.losses[-1], self.network):
                break
        return self.network.cpu().eval()

    def _cut(self) -> list[_Window]:
        """As many stretches of each history as cover it, each begun at random."""
        longest = self._settings.history_entries
        windows = []
        for person, (begin, end) in enumerate(self._bounds):
            count = -(-(end - begin) // longest)
            spare = max(0, end - begin - longest)
            for offset in self._random.integers(0, spare + 1, count).tolist():
                windows.append(_Window(person, begin + offset, min(begin + offset + longest, end)))
        return windows

    def _step(self, windows: list[_Window], less: list[Tensor]) -> float:
        vectors = self._drawn_vectors(less)
        entries = self._padded(windows)
        filled = np.maximum(entries, 0)
        read = vectors[self._here(self._histories.items[filled])]
        entries = np.where(read.any(dim=2).cpu().numpy(), entries, -1)
        targets = self._drawn_targets(entries)
        wanted = vectors[self._here(np.maximum(targets, 0))]
        asked = (targets >= 0) & wanted.any(dim=2).cpu().numpy()
        if not asked.any():
            return 0.0
        people = self.network(
            read,
            self._here(self._told[filled]),
            self._ago(filled),
            self._here(entries >= 0),
        )
        window_of, place = np.nonzero(asked)
        asking = people[self._here(window_of), self._here(place)]
        loss = self._loss(asking, window_of, targets[asked], windows, vectors)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        return loss.item()

    def _loss(
        self,
        people: Tensor,
        window_of: NDArray[np.int64],
        targets: NDArray[np.int64],
        windows: list[_Window],
        vectors: Tensor,
    ) -> Tensor:
        count = min(self._settings.negatives, len(self._taken))
        drawn = self._random.choice(self._taken, count, replace=False)
        candidates = np.unique(np.concatenate([targets, drawn]))
        rows = self._here(candidates)
        logits = people @ vectors[rows].T / self._settings.temperature
        logits = logits + self._settings.popularity * self._log_share[rows]
        # What the person is known to have taken is no negative, sooner or later.
        known = np.zeros((len(windows), len(candidates)), np.bool_)
        for row, window in enumerate(windows):
            known[row] = np.isin(candidates, self._taken_by[window.person], assume_unique=True)
        wanted = self._here(np.searchsorted(candidates, targets))[:, None]
        right = logits.gather(1, wanted)
        logits = logits.masked_fill(self._here(known[window_of]), -1e4).scatter(1, wanted, right)
        return torch.nn.functional.cross_entropy(logits, wanted[:, 0])

    def _here(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _drawn_vectors(self, less: list[Tensor]) -> Tensor:
        if less and self._random.random() < self._settings.modality_dropout:
            return less[self._random.integers(len(less))]
        return self._whole

    def _padded(self, windows: list[_Window]) -> NDArray[np.int64]:
        """Entries by number, −1 for fillers, which come first; int64 [windows, longest]."""
        width = max(window.end - window.begin for window in windows)
        entries = np.full((len(windows), width), -1, np.int64)
        for row, window in enumerate(windows):
            entries[row, width - (window.end - window.begin) :] = np.arange(window.begin, window.end)
        return entries

    def _drawn_targets(self, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """The item that each entry's person is to pick, −1 where nothing was liked after it."""
        likes = self._likes[np.maximum(entries, 0)]
        ahead = self._random.integers(0, self._settings.horizon, entries.shape)
        for _ in range(self._settings.horizon - 1):
            further = np.where(likes >= 0, self._likes[np.maximum(likes, 0)], -1)
            likes = np.where((ahead > 0) & (further >= 0), further, likes)
            ahead -= 1
        return np.where((entries >= 0) & (likes >= 0), self._histories.items[np.maximum(likes, 0)], -1)

    def _ago(self, entries: NDArray[np.int64]) -> Tensor:
        """See `UserNetwork.forward`: a person is looked at when their next event comes. float32 [b, n, n]"""
        times_s = self._histories.times_ms / _MS
        following = np.minimum(entries + 1, len(times_s) - 1)
        is_same = self._histories.users[following] == self._histories.users[entries]
        asked_s = np.where(is_same, times_s[following], times_s[entries])
        return self._here(log_seconds(asked_s[:, :, None] - times_s[entries][:, None, :]))


def data_fingerprint(histories: Histories, vectors: NDArray[np.float32]) -> str:
    """sha256 of histories and item vectors, which says whether two runs learned from the same."""
    digest = hashlib.sha256(repr(vectors.shape).encode())
    for array, dtype in (
        (histories.users, "<i8"),
        (histories.items, "<i8"),
        (histories.weights, "<f4"),
        (histories.times_ms, "<i8"),
        (vectors, "<f4"),
    ):
        digest.update(np.ascontiguousarray(array, dtype).tobytes())
    return digest.hexdigest()


def _bounds(users: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Where each person's entries begin and end."""
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, np.int64)
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(users)], strict=True))


def _told(histories: Histories, begin: int, end: int) -> NDArray[np.float32]:
    """What is told of one person's entries, without how long ago they were, float32 [n, 5]."""
    times_s = histories.times_ms[begin:end] / _MS
    return entry_inputs(histories.weights[begin:end], times_s[-1] - times_s)[:, :AGO]


def _likes_after(histories: Histories) -> NDArray[np.int64]:
    """By entry: the number of the same person's next entry that is a like, −1 where there is none."""
    found = np.full(len(histories), -1, np.int64)
    coming, person = -1, -1
    users, liked = histories.users.tolist(), (histories.weights > 0).tolist()
    for entry in range(len(users) - 1, -1, -1):
        if users[entry] != person:
            coming, person = -1, users[entry]
        found[entry] = coming
        if liked[entry]:
            coming = entry
    return found
