"""Four ways to make one vector of the modalities that an item has, as PyTorch modules.

Every network takes ``features`` float32 [n, Σ d_m] (the modalities' features side by side, in a fixed
order) and ``present`` float32 [n, modalities] (1: the item has it, else 0), and gives float32 [n,
dimension] of unit length; zeros where nothing is present. What stands in the place of an absent modality
does not matter.

All begin alike: a feature at unit length is centred and whitened by what was measured on the training
items, and goes through an adapter of its modality, which is learned; the encoder that made the feature is
not touched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

FusionMethod = Literal["concat", "gated", "attention", "cascade"]
FUSION_METHODS: tuple[FusionMethod, ...] = ("concat", "gated", "attention", "cascade")
# Directions of less variance than this share of the mean are noise, and are not blown up.
WHITENING_FLOOR = 0.05
_MIN_NORM = 1e-6


def unit_rows(rows: Tensor) -> Tensor:
    """Each row at unit length; zeros stay zeros."""
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(_MIN_NORM)


class Whitening(nn.Module):
    """Centres and whitens features of unit length by fixed numbers.

    Args:
        rows: The features of training items that have the modality, float32 [n, d], n ≥ 1.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        rows = unit_rows(rows).double()
        mean = rows.mean(0)
        values, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        values = values.clamp_min(0)
        scale = (values + WHITENING_FLOOR * values.mean() + 1e-12).rsqrt()
        self.register_buffer("mean", mean.float())
        # Over √d, so that a whitened feature has a length of about 1.
        self.register_buffer("matrix", (vectors * scale / rows.shape[1] ** 0.5).float())

    def forward(self, rows: Tensor) -> Tensor:
        """[n, d] to [n, d]."""
        return (unit_rows(rows) - self.mean) @ self.matrix


def _projection(width: int, dimension: int) -> nn.Linear:
    """A linear layer that begins by keeping angles, so that learning starts from content as it is."""
    layer = nn.Linear(width, dimension, bias=False)
    nn.init.orthogonal_(layer.weight)
    return layer


class _Adapter(nn.Module):
    """A linear layer, and a hidden layer beside it that begins at zero."""

    def __init__(self, width: int, hidden: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.straight = _projection(width, dimension)
        self.bent = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), _zero(nn.Linear(hidden, dimension)))

    def forward(self, rows: Tensor) -> Tensor:
        """[n, width] to [n, dimension]."""
        rows = self.dropout(rows)
        moved: Tensor = self.straight(rows) + self.bent(rows)
        return moved


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class FusionNetwork(nn.Module, ABC):
    """What the four share.

    Args:
        rows: Modality → training features, float32 [n_m, d_m], of items that have it; in order.
        dimension: Of the fused vector.
        hidden: Width of the adapters.
        dropout: Share of an adapter's inputs that are left out in training.
    """

    def __init__(
        self, rows: Mapping[str, Tensor], dimension: int = 256, hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.modalities = tuple(rows)
        self.widths = tuple(one.shape[1] for one in rows.values())
        self.dimension = dimension
        self.hidden = hidden
        self.whitening = nn.ModuleList(Whitening(one) for one in rows.values())
        self.adapters = nn.ModuleList(self.adapter(width, dropout) for width in self.widths)

    def adapter(self, width: int, dropout: float) -> nn.Module:
        """What is learned for one modality: [n, width] to [n, dimension]."""
        return _Adapter(width, self.hidden, self.dimension, dropout)

    @abstractmethod
    def combine(self, parts: Sequence[Tensor], present: Tensor) -> Tensor:
        """[n, dimension] of adapted features [n, dimension] each; those absent must not matter."""

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """See the module."""
        columns = features.split(self.widths, dim=1)
        parts = []
        for index, (rows, whitening, adapter) in enumerate(
            zip(columns, self.whitening, self.adapters, strict=True)
        ):
            # Chosen and not multiplied: what is absent may be anything, also infinite.
            given = torch.where(present[:, index : index + 1] > 0, rows, torch.zeros_like(rows))
            parts.append(adapter(whitening(given)))
        fused = unit_rows(self.combine(parts, present))
        return fused * (present.sum(1, keepdim=True) > 0)


class ConcatFusion(FusionNetwork):
    """Concatenation and one linear layer: W₁ f(i), with f(i) the whitened features, zeros where absent."""

    def adapter(self, width: int, dropout: float) -> nn.Module:
        """A block of W₁."""
        return nn.Sequential(nn.Dropout(dropout), _projection(width, self.dimension))

    def combine(self, parts: Sequence[Tensor], present: Tensor) -> Tensor:
        """The sum of the blocks is the product with the concatenation."""
        stacked = torch.stack(list(parts), dim=1)
        return (stacked * present[:, :, None]).sum(1)


class GatedFusion(FusionNetwork):
    """A weighted mean, with weights that each item's own features say (Arevalo et al. 2017, "Gated multimodal
    units for information fusion", with a softmax over what is present instead of a sigmoid each)."""

    def __init__(
        self, rows: Mapping[str, Tensor], dimension: int = 256, hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__(rows, dimension, hidden, dropout)
        self.gates = nn.ModuleList(nn.Linear(dimension, 1) for _ in self.modalities)

    def combine(self, parts: Sequence[Tensor], present: Tensor) -> Tensor:
        """Softmax over the modalities present."""
        gates = torch.cat([gate(part) for gate, part in zip(self.gates, parts, strict=True)], dim=1)
        weights = torch.softmax(gates.masked_fill(present <= 0, -1e4), dim=1) * present
        return (torch.stack(list(parts), dim=1) * weights[:, :, None]).sum(1)


class AttentionFusion(FusionNetwork):
    """A query of its own attends to the modalities present, which attend to one another (Vaswani et al. 2017,
    one layer, with the fused vector as a first token)."""

    def __init__(
        self,
        rows: Mapping[str, Tensor],
        dimension: int = 256,
        hidden: int = 128,
        dropout: float = 0.2,
        heads: int = 4,
    ) -> None:
        super().__init__(rows, dimension, hidden, dropout)
        self.heads = heads
        self.tokens = nn.Parameter(0.02 * torch.randn(len(self.modalities) + 1, dimension))
        self.before = nn.LayerNorm(dimension)
        self.projection = nn.Linear(dimension, 3 * dimension)
        self.output = _zero(nn.Linear(dimension, dimension))
        self.after = nn.Sequential(
            nn.LayerNorm(dimension),
            nn.Linear(dimension, hidden),
            nn.GELU(),
            _zero(nn.Linear(hidden, dimension)),
        )

    def combine(self, parts: Sequence[Tensor], present: Tensor) -> Tensor:
        """One layer of self-attention; the first token is the fused vector."""
        first = torch.zeros_like(parts[0])
        tokens = torch.stack([first, *parts], dim=1) + self.tokens
        shape = (tokens.shape[0], tokens.shape[1], self.heads, self.dimension // self.heads)
        query, key, value = (
            one.reshape(shape).transpose(1, 2) for one in self.projection(self.before(tokens)).chunk(3, dim=2)
        )
        logits = query @ key.transpose(2, 3) / shape[3] ** 0.5
        is_there = torch.cat([torch.ones_like(present[:, :1]), present], dim=1)[:, None, None, :]
        attended = torch.softmax(logits.masked_fill(is_there <= 0, -1e4), dim=3) @ value
        attended = attended.transpose(1, 2).reshape(tokens.shape)
        fused = self.output(attended)[:, 0]
        # The mean of what is present goes past the attention, so that learning starts from a sound fusion.
        mean = (torch.stack(list(parts), dim=1) * present[:, :, None]).sum(1)
        fused = fused + mean / present.sum(1, keepdim=True).clamp_min(1)
        return fused + self.after(fused)


class CascadeFusion(FusionNetwork):
    """A first vector of the first modality, refined in a stage for each further one as it arrives.

    A stage sees the vector so far and the modality's adapted feature, and says how far to move, and where to:
    v ← v + g(v, h_m) ⊙ r(v, h_m). A modality that is absent leaves the vector as it is.
    """

    def __init__(
        self, rows: Mapping[str, Tensor], dimension: int = 256, hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__(rows, dimension, hidden, dropout)
        self.moves = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * dimension, hidden), nn.GELU(), _zero(nn.Linear(hidden, dimension)))
            for _ in self.modalities
        )
        self.gates = nn.ModuleList(nn.Linear(2 * dimension, dimension) for _ in self.modalities)

    def combine(self, parts: Sequence[Tensor], present: Tensor) -> Tensor:
        """Stage by stage, in the order of the modalities."""
        vector = torch.zeros_like(parts[0])
        for index, part in enumerate(parts):
            both = torch.cat([vector, part], dim=1)
            move = torch.sigmoid(self.gates[index](both)) * (part + self.moves[index](both))
            vector = vector + present[:, index : index + 1] * move
        return vector


_NETWORKS: dict[FusionMethod, type[FusionNetwork]] = {
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "attention": AttentionFusion,
    "cascade": CascadeFusion,
}


def fusion_network(
    method: FusionMethod,
    rows: Mapping[str, Tensor],
    dimension: int = 256,
    hidden: int = 128,
    dropout: float = 0.2,
) -> FusionNetwork:
    """A network that has not learned anything yet; see `FusionNetwork` for the arguments."""
    return _NETWORKS[method](rows, dimension, hidden, dropout)
