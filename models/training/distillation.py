"""The loop that brings a small network to a teacher's vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.common import Floats, progress_bar
from models.training.device import CPU

# The label's softmax on the unit sphere: its inverse temperature, and its share in the loss.
LABEL_SCALE = 16.0
LABEL_WEIGHT = 0.2
NO_LABEL = -1

Prepare = Callable[[Tensor, torch.Generator], Tensor]


def distil(
    student: nn.Module,
    inputs: Tensor,
    targets: Floats,
    labels: NDArray[np.int64],
    prepare: Prepare,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    seed: int = 0,
    title: str = "distil",
    device: torch.device = CPU,
) -> nn.Module:
    """Trains ``student`` so that its output has the direction of ``targets`` [n, d] (unit length).

    ``labels`` [n] are classes of which a cosine softmax on the output should know (``NO_LABEL``: none).
    ``prepare`` turns rows of ``inputs`` into the network's input, augmented. The schedule is OneCycle AdamW.
    It learns on ``device``, and comes back to the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted, classes = torch.from_numpy(targets).to(device), torch.from_numpy(labels).to(device)
    student.to(device)
    head = nn.Linear(targets.shape[1], int(labels.max()) + 1, bias=False).to(device)
    optimiser = torch.optim.AdamW(
        [*student.parameters(), *head.parameters()], lr=learning_rate, weight_decay=0.02
    )
    steps = epochs * (len(inputs) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.2)
    student.train()
    with progress_bar() as bar:
        task = bar.add_task(title, total=steps, note="")
        for _ in range(epochs):
            order = torch.randperm(len(inputs), generator=generator)
            for rows in order.split(batch_size)[: len(inputs) // batch_size]:
                given = nn.functional.normalize(student(prepare(inputs[rows], generator).to(device)), dim=1)
                distance = (1 - (given * wanted[rows]).sum(1)).mean()
                logits = LABEL_SCALE * given @ nn.functional.normalize(head.weight, dim=1).T
                known = nn.functional.cross_entropy(
                    logits, classes[rows], ignore_index=NO_LABEL, label_smoothing=0.1, reduction="sum"
                ) / len(rows)
                loss = distance + LABEL_WEIGHT * known
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                bar.update(task, advance=1, note=f"1-cos {distance.item():.3f} label {known.item():.3f}")
    return student.cpu().eval()


class CentredUnit(nn.Module):
    """A trained network with its mean output taken away, at unit length; what is exported."""

    def __init__(self, network: nn.Module, mean: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)

    def forward(self, inputs: Tensor) -> Tensor:
        """[n, d], unit length."""
        centred = self.network(inputs) - self.mean
        return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-9)
