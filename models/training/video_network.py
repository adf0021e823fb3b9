"""What learns how much each frame of a film counts."""

from __future__ import annotations

import io
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from models.encoders.manifest import GraphEntry
from models.training.common import OPSET, save_graph
from models.training.weight_storage import Storage, store_weights

# Under any score, and over what float32 cannot hold: such a frame's weight is exactly 0.
_ABSENT = -1e9


class FrameAttention(nn.Module):
    """Scores frames by what they are, then by how well they go with what the film shows so far.

    With x_i the frames' vectors (unit length), and pooled(s) the unit vector of Σ softmax(s)_i x_i::

        s_i = wᵀ (tanh(V x_i) ⊙ σ(U x_i))                  gated attention, Ilse et al. 2018, eq. 9
        r   = pooled(s)
        t_i = s_i + (Q r)ᵀ (K x_i) + β rᵀ x_i              a query made of the film itself, as in the second
                                                           attention block of Yang et al. 2017 (NAN);
                                                           ``rounds`` times, each with the r before it

    The weights are softmax(t): the pooled vector lies in the convex hull of the frames, their order is no
    matter, and frames that are the same weigh the same. w, Q and β begin at 0: training begins at the mean.

    Args:
        dimension: Of the frames' vectors.
        hidden: Rows of V, U, Q and K.
        rounds: How often frames are compared with the film; 0 leaves it at s.
    """

    def __init__(self, dimension: int, hidden: int = 32, rounds: int = 2) -> None:
        super().__init__()
        self.dimension = dimension
        self.rounds = rounds
        self.content = nn.Linear(dimension, hidden)
        self.gate = nn.Linear(dimension, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.query = nn.Linear(dimension, hidden, bias=False)
        self.key = nn.Linear(dimension, hidden, bias=False)
        self.likeness = nn.Parameter(torch.zeros(()))
        # Of unit vectors these make numbers around 1.
        for layer in (self.content, self.gate, self.key):
            nn.init.normal_(layer.weight)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.query.weight)

    def forward(self, frames: Tensor, present: Tensor) -> Tensor:
        """Weights float32 [films, k] of frames [films, k, d]: of sum 1, 0 where none is ``present``."""
        own = self.score(torch.tanh(self.content(frames)) * torch.sigmoid(self.gate(frames))).squeeze(2)
        keys = self.key(frames)
        weights = _softmax(own, present)
        for _ in range(self.rounds):
            film = pooled(frames, weights)
            asked = (keys * self.query(film)[:, None]).sum(2)
            alike = (frames * film[:, None]).sum(2)
            weights = _softmax(own + asked + self.likeness * alike, present)
        return weights


def pooled(frames: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of frames [films, k, d] at unit length, [films, d]."""
    film = (frames * weights[:, :, None]).sum(1)
    return film / film.norm(dim=1, keepdim=True).clamp_min(1e-6)


def export_frame_attention(network: FrameAttention, path: Path, storage: Storage) -> GraphEntry:
    """Writes the graph that ``models.encoders.frame_weights`` runs; ``storage``: of its weights."""
    network.eval()
    buffer = io.BytesIO()
    free = {0: "films", 1: "frames"}
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, network.dimension), torch.ones(2, 3, dtype=torch.bool)),
        buffer,
        input_names=["frames", "present"],
        output_names=["weights"],
        dynamic_axes={"frames": free, "present": free, "weights": free},
        opset_version=OPSET,
        dynamo=False,
    )
    return save_graph(store_weights(onnx.load_from_string(buffer.getvalue()), storage), path)


def _softmax(scores: Tensor, present: Tensor) -> Tensor:
    return torch.softmax(scores.masked_fill(~present, _ABSENT), dim=1)
