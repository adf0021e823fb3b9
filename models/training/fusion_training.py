"""Fusion learned from what people take: items that the same people take come near one another.

A person is the mean of the fused vectors of other items that the person took, in all or within a window of
time around the item that was held back, and is to pick that item among those of the batch and others drawn
evenly (InfoNCE, van den Oord et al. 2018)::

    p(i | u) = softmax_i( vᵤ · vᵢ / τ + γ · log q(i) )

with q(i) the share of item i in all interactions. With γ = 1 what is popular need not be explained by
content, so that vᵤ · vᵢ says what a person's taste adds (the logQ correction, Yi et al. 2019, "Sampling-
bias-corrected neural modeling"); with γ = 0 the vectors carry popularity too. There are no item ids: an
item that nobody took is placed by its content.

Modalities are taken from items at random while learning ("modality dropout", Neverova et al. 2015), so that
those that are missing later cost little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.datasets.interactions import Histories
from models.errors import TrainingError
from models.training.checkpoints import Checkpoint
from models.training.device import CPU, device_of
from models.training.fusion_networks import FusionMethod, FusionNetwork, fusion_network
from models.training.pairs_in_time import PairsInTime

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Features = Mapping[str, NDArray[np.float32]]
OnEpoch = Callable[[int, float, FusionNetwork], bool]
"""Told the epoch, from 1, its mean loss and the network, in evaluation mode; True ends the training."""


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How a fusion learns.

    Attributes:
        method: Which network.
        dimension: Of the fused vector.
        hidden: Width of the adapters.
        dropout: Share of adapters' inputs left out.
        modality_dropout: Chance of each modality of an item to be left out; an item keeps at least one.
        temperature: τ.
        popularity: γ.
        learning_rate: Of AdamW, at its highest.
        weight_decay: Of AdamW.
        batch_people: People a step.
        negatives: Items drawn evenly as negatives, besides those of the batch's people.
        max_context: Items of a person that are looked at, at most.
        window_s: Seconds from the item held back to what is looked at, before as after; None: of any time.
        hops: How far a walk over people goes from an item for further ones to be near; 1: the same person's.
        epochs: At most so many; None: `LEAST_EPOCHS`, or more where that would be fewer than `LEAST_STEPS`.
    """

    method: FusionMethod = "gated"
    dimension: int = 256
    hidden: int = 384
    dropout: float = 0.0
    modality_dropout: float = 0.7
    temperature: float = 0.1
    popularity: float = 0.0
    learning_rate: float = 1e-2
    weight_decay: float = 0.02
    batch_people: int = 512
    negatives: int = 1_024
    max_context: int = 8
    window_s: float | None = None
    hops: int = 1
    epochs: int | None = None


# Where there are few people an epoch has few steps: a network that sees them 12 times has hardly begun.
LEAST_EPOCHS, LEAST_STEPS = 12, 144


@dataclass(frozen=True, slots=True)
class ItemInputs:
    """Features of all items as the networks take them.

    Attributes:
        features: float32 [items, Σ d_m].
        present: float32 [items, modalities].
    """

    features: Tensor
    present: Tensor


def item_inputs(features: Features) -> ItemInputs:
    """Side by side, in the order of the mapping. A row of zeros: the item lacks the modality.

    Raises:
        TrainingError: A number is not finite, or there are no modalities.
    """
    if not features:
        raise TrainingError("a fusion needs the features of at least one modality")
    for modality, rows in features.items():
        if not np.isfinite(rows).all():
            raise TrainingError(f"a {modality} feature holds a number that is not finite")
    present = np.stack([rows.any(axis=1) for rows in features.values()], axis=1)
    stacked = np.concatenate([np.asarray(rows, np.float32) for rows in features.values()], axis=1)
    return ItemInputs(torch.from_numpy(stacked), torch.from_numpy(present.astype(np.float32)))


def new_network(settings: FusionSettings, features: Features, is_used: NDArray[np.bool_]) -> FusionNetwork:
    """A network for these modalities, whitened by the items of training.

    Raises:
        TrainingError: No item of training has one of the modalities.
    """
    rows = {}
    for modality, given in features.items():
        known = np.asarray(given[is_used & given.any(axis=1)], np.float32)
        if not len(known):
            raise TrainingError(f"no item that anybody took has {modality}; leave the modality out")
        rows[modality] = torch.from_numpy(known)
    return fusion_network(settings.method, rows, settings.dimension, settings.hidden, settings.dropout)


def embed(network: FusionNetwork, inputs: ItemInputs) -> NDArray[np.float32]:
    """Fused vectors of all items, float32 [items, dimension]; zeros where nothing is present."""
    network.eval()
    with torch.no_grad():
        device = device_of(network)
        fused = network(inputs.features.to(device), inputs.present.to(device))
        return np.asarray(fused.cpu().numpy(), np.float32)


class FusionTraining:
    """One training run: made, `run`, and asked for its network.

    Args:
        settings: How.
        train: Who took what, float32 [people, items].
        features: Of all items.
        seed: Of everything random.
        checkpoint: A file that keeps the state after every epoch; a run that finds its own there goes on
            from it.
        histories: The times of what is behind ``train``, for a window.
        device: Where it learns; the network comes back to the CPU.

    Attributes:
        epochs: How many it has.
        losses: Of the epochs done.

    Raises:
        TrainingError: Nobody took two items, within the window where there is one; or there are no times for
            it, or features cannot be used.
    """

    def __init__(
        self,
        settings: FusionSettings,
        train: csr_array,
        features: Features,
        seed: int,
        checkpoint: Path | None = None,
        histories: Histories | None = None,
        device: torch.device = CPU,
    ) -> None:
        self._settings = settings
        self._device = device
        self._train = train.tocsr()
        inputs = item_inputs(features)
        counts = np.diff(self._train.indptr)
        self._near = _pairs_in_time(histories, settings.window_s)
        self._people = np.flatnonzero(counts >= 2) if self._near is None else self._near.people
        if not len(self._people):
            raise TrainingError("nobody took two items: there is nothing to learn a fusion from")
        torch.manual_seed(seed)
        # Several threads would add gradients in whatever order they come.
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._random = np.random.default_rng(seed)
        taken = np.bincount(self._train.indices, minlength=self._train.shape[1])
        # People with long histories would decide what is popular: each person counts once.
        share = np.asarray(self._train.T @ (1.0 / np.maximum(counts, 1)), np.float64)
        share = share / share.sum()
        log_share = np.log(share + 0.1 / len(self._train.indices)).astype(np.float32)
        self._log_share = torch.from_numpy(log_share).to(device)
        # What nobody took is no negative: nothing says that it is not wanted.
        self._taken = np.flatnonzero(taken)
        self.network = new_network(settings, features, taken > 0).to(device)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._by_item = self._train.T.tocsr()
        steps = -(-len(self._people) // settings.batch_people)
        self.epochs = settings.epochs or max(LEAST_EPOCHS, -(-LEAST_STEPS // steps))
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, settings.learning_rate, total_steps=steps * self.epochs, pct_start=0.15
        )
        digest = hashlib.sha256(repr((settings, seed, train.shape)).encode())
        digest.update(self._train.indices.astype("<i8").tobytes())
        digest.update(inputs.features.numpy().tobytes())
        if histories is not None and settings.window_s is not None:
            digest.update(histories.times_ms.astype("<i8").tobytes())
        self._inputs = ItemInputs(inputs.features.to(device), inputs.present.to(device))
        parts = {"network": self.network, "optimiser": self._optimiser, "schedule": self._schedule}
        self._checkpoint = Checkpoint(checkpoint, digest.hexdigest(), self._random, parts)
        self.losses: list[float] = []

    def run(self, on_epoch: OnEpoch = lambda epoch, loss, network: False) -> FusionNetwork:
        """Train to the end, or until ``on_epoch`` says so; the network is left on the CPU, for evaluation."""
        self.losses = self._checkpoint.resume()
        for epoch in range(len(self.losses) + 1, self.epochs + 1):
            self.network.train()
            order = self._random.permutation(self._people)
            size = self._settings.batch_people
            losses = [self._step(order[begin : begin + size]) for begin in range(0, len(order), size)]
            self.losses.append(float(np.mean(losses)))
            self._checkpoint.keep(self.losses)
            self.network.eval()
            if on_epoch(epoch, self.losses[-1], self.network):
                break
        return self.network.cpu().eval()

    def _step(self, people: NDArray[np.int64]) -> float:
        context, weights, targets = self._draw(people)
        drawn = self._random.choice(
            self._taken, min(self._settings.negatives, len(self._taken)), replace=False
        )
        candidates = np.unique(np.concatenate([context[weights > 0], targets, drawn]))
        rows = self._here(candidates)
        vectors = self.network(self._inputs.features[rows], self._dropped(self._inputs.present[rows]))
        looked_at = self._here(np.minimum(np.searchsorted(candidates, context), len(candidates) - 1))
        wanted = self._here(np.searchsorted(candidates, targets))
        shares = self._here(weights)
        chosen = vectors[looked_at.reshape(-1)].reshape(*looked_at.shape, -1)
        profiles = torch.nn.functional.normalize((chosen * shares[:, :, None]).sum(1), dim=1)
        logits = profiles @ vectors.T / self._settings.temperature
        logits = logits + self._settings.popularity * self._log_share[rows]
        # What the person is known to have taken is no negative; fillers stand for the first item looked at.
        known = torch.where(shares > 0, looked_at, looked_at[:, :1])
        right = logits.gather(1, wanted[:, None])
        logits = logits.scatter(1, known, -1e4).scatter(1, wanted[:, None], right)
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        return loss.item()

    def _draw(self, people: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """For each person items looked at [n, c] with weights (0: a filler), and the item held back [n]."""
        width = self._settings.max_context
        context = np.zeros((len(people), width), np.int64)
        weights = np.zeros((len(people), width), np.float32)
        targets = np.zeros(len(people), np.int64)
        for row, person in enumerate(people):
            drawn = self._taken_together(person, width)
            targets[row] = self._walked(drawn[0], person)
            rest = drawn[1:]
            rest = rest[rest != targets[row]]
            if not len(rest):
                rest, targets[row] = drawn[1:], drawn[0]
            context[row, : len(rest)] = rest
            weights[row, : len(rest)] = 1 / len(rest)
        return context, weights, targets

    def _taken_together(self, person: int, count: int) -> NDArray[Any]:
        """An item of the person's, and up to so many others."""
        if self._near is not None:
            return self._near.draw(person, count, self._random)
        items = self._train.indices[self._train.indptr[person] : self._train.indptr[person + 1]]
        return self._random.permutation(items)[: count + 1]

    def _here(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _walked(self, item: int, person: int) -> int:
        """The item itself, or one that is a few people away, each further hop half as often."""
        for _ in range(self._settings.hops - 1):
            if self._random.random() < 0.5:
                break
            others = self._by_item.indices[self._by_item.indptr[item] : self._by_item.indptr[item + 1]]
            other = self._random.choice(others)
            item = self._random.choice(
                self._train.indices[self._train.indptr[other] : self._train.indptr[other + 1]]
            )
        return int(item)

    def _dropped(self, present: Tensor) -> Tensor:
        """What is present, with modalities left out by chance; of what an item has, one stays at least."""
        if self._settings.modality_dropout <= 0 or present.shape[1] < 2:
            return present
        drawn = torch.rand(present.shape).to(present.device)
        kept = present * (drawn >= self._settings.modality_dropout)
        first = torch.nn.functional.one_hot(
            torch.where(present > 0, drawn, torch.full_like(drawn, -1)).argmax(1), present.shape[1]
        )
        return torch.where(kept.sum(1, keepdim=True) > 0, kept, present * first)


def _pairs_in_time(histories: Histories | None, window_s: float | None) -> PairsInTime | None:
    if window_s is None:
        return None
    if histories is None:
        raise TrainingError(
            "a window needs the times of events, which the data set lacks: leave --window-s out"
        )
    return PairsInTime(histories, window_s)
