"""A sequence model of people as a PyTorch module: self-attention, then a weighted mean of what it read.

With v_j the unit vectors of a person's items, oldest first, and t_j what is told of each entry
(`models.user.inputs`), one causal layer of self-attention reads them (Kang and McAuley 2018, "Self-attentive
sequential recommendation"; distances by rank as Press et al. 2022, "Train short, test long")::

    h = layer(A v + B t)

and the person as of the entry n is, with heads k, seconds s_j since entry j, and gates g of what was done::

    a_kj = softmax_j( q_k(h_n) · k_k(h_j) − λ_k log(1 + s_j) − ρ_k (n − j) )
    m    = Σ_k mix_k(h_n) Σ_j a_kj g_k(t_j) v_j
    u    = unit( m + M m + N h_n )

M and N begin at zero: learning starts from a decayed mean in which likes add and dislikes subtract, and
moves away from it as far as people's next items say. There are no item ids, and u is in the space of items.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.user.inputs import AGO, COLUMNS

_MIN_NORM = 1e-6
_NEVER = -1e4
# At first: of the layer, how fast heads forget by rank; of the mean, by rank and by time.
_RANK_SLOPES = (0.5, 0.1, 0.02, 0.002)
_MEAN_RANK_SLOPES = (0.3, 0.05, 0.01, 0.001)
_TIME_SLOPES = (2.0, 1.0, 0.5, 0.1)


class UserNetwork(nn.Module):
    """See the module.

    Args:
        dimension: D, of item vectors.
        hidden: Width of the layer; a multiple of 4.
        dropout: Share of the layer's inputs left out in training.
    """

    def __init__(self, dimension: int, hidden: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.heads = len(_RANK_SLOPES)
        self.hidden = hidden
        self.dropout = nn.Dropout(dropout)
        self.read = nn.Linear(dimension, hidden)
        self.told = nn.Linear(len(COLUMNS) - 1, hidden)
        self.before = nn.LayerNorm(hidden)
        self.projection = nn.Linear(hidden, 3 * hidden)
        self.output = _zero(nn.Linear(hidden, hidden))
        self.after = nn.Sequential(
            nn.LayerNorm(hidden),
            nn.Linear(hidden, 2 * hidden),
            nn.GELU(),
            _zero(nn.Linear(2 * hidden, hidden)),
        )
        self.last = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.gates = _gates(nn.Linear(len(COLUMNS) - 1, self.heads))
        self.mix = _zero(nn.Linear(hidden, self.heads))
        self.turn = _zero(nn.Linear(dimension, dimension, bias=False))
        self.move = _zero(nn.Linear(hidden, dimension))
        self.rank_slopes = nn.Parameter(torch.tensor(_RANK_SLOPES).log())
        self.mean_rank_slopes = nn.Parameter(torch.tensor(_MEAN_RANK_SLOPES).log())
        self.time_slopes = nn.Parameter(torch.tensor(_TIME_SLOPES).log())

    def forward(self, vectors: Tensor, told: Tensor, ago: Tensor, present: Tensor) -> Tensor:
        """The person as of every entry: float32 [b, n, D] of unit length.

        Args:
            vectors: float32 [b, n, D].
            told: All columns but the last, float32 [b, n, 5].
            ago: log(1 + s) / 10 of entry j as seen from just after entry i, float32 [b, i, j].
            present: Which entries are read, bool [b, n]: neither fillers, which come first, nor items without
                a vector.
        """
        ranks = torch.arange(vectors.shape[1], device=vectors.device)
        ranks = ranks[:, None] - ranks[None]
        allowed = (ranks >= 0)[None] & present[:, None, :]
        states = self._states(vectors, told, ranks.clamp_min(0), allowed)
        return self._people(vectors, told, states, states, ago, ranks.clamp_min(0), allowed)

    def newest(self, vectors: Tensor, told: Tensor) -> Tensor:
        """The person as of now: float32 [1, D] of unit length, for one history.

        Args:
            vectors: float32 [n, D], n ≥ 1.
            told: All columns, float32 [n, 6].
        """
        count = vectors.shape[0]
        places = torch.arange(count, device=vectors.device)
        ranks = (places[:, None] - places[None]).clamp_min(0)
        allowed = (places[:, None] >= places[None])[None]
        vectors, ago = vectors[None], told[None, None, :, AGO]
        told = told[None, :, :AGO]
        states = self._states(vectors, told, ranks, allowed)
        last = slice(-1, None)
        person = self._people(vectors, told, states[:, last], states, ago, ranks[last], allowed[:, last])
        return person[:, 0]

    def _states(self, vectors: Tensor, told: Tensor, ranks: Tensor, allowed: Tensor) -> Tensor:
        states = self.dropout(self.read(vectors)) * self.hidden**0.5 + self.told(told)
        query, key, value = (self._split(one) for one in self.projection(self.before(states)).chunk(3, dim=2))
        logits = query @ key.transpose(2, 3) / (self.hidden // self.heads) ** 0.5
        logits = logits - self.rank_slopes.exp()[None, :, None, None] * ranks
        attended = _softmax(logits, allowed[:, None]) @ value
        states = states + self.dropout(self.output(attended.transpose(1, 2).flatten(2)))
        states = states + self.dropout(self.after(states))
        found: Tensor = self.last(states)
        return found

    def _people(
        self,
        vectors: Tensor,
        told: Tensor,
        asking: Tensor,
        states: Tensor,
        ago: Tensor,
        ranks: Tensor,
        allowed: Tensor,
    ) -> Tensor:
        query, key = self._split(self.query(asking)), self._split(self.key(states))
        logits = query @ key.transpose(2, 3) / (self.hidden // self.heads) ** 0.5
        logits = logits - self.time_slopes.exp()[None, :, None, None] * 10.0 * ago[:, None]
        logits = logits - self.mean_rank_slopes.exp()[None, :, None, None] * ranks
        # Of each head: who asks, by whom is read.
        shares = _softmax(logits, allowed[:, None]) * torch.tanh(self.gates(told)).transpose(1, 2)[:, :, None]
        mix = torch.softmax(self.mix(asking), dim=2).transpose(1, 2)[:, :, :, None]
        mean = (shares * mix).sum(1) @ vectors
        person = mean + self.turn(mean) + self.move(asking)
        return person / person.norm(dim=2, keepdim=True).clamp_min(_MIN_NORM)

    def _split(self, rows: Tensor) -> Tensor:
        """[b, n, hidden] to [b, heads, n, hidden / heads]."""
        return rows.unflatten(2, (self.heads, self.hidden // self.heads)).transpose(1, 2)


class NewestOf(nn.Module):
    """A network as it serves: one history in, one vector out."""

    def __init__(self, network: UserNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, vectors: Tensor, told: Tensor) -> Tensor:
        """See `UserNetwork.newest`."""
        return self.network.newest(vectors, told)


def _softmax(logits: Tensor, allowed: Tensor) -> Tensor:
    """Over what is allowed; where nothing is, evenly: such rows are of fillers."""
    return torch.softmax(logits.masked_fill(~allowed, _NEVER), dim=3)


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _gates(layer: nn.Linear) -> nn.Linear:
    """Likes begin by adding, dislikes by subtracting less, and what says nothing of taste by little."""
    _zero(layer)
    with torch.no_grad():
        layer.bias.fill_(0.25)
        layer.weight[:, COLUMNS.index("liked")] = math.log(3.0)
        layer.weight[:, COLUMNS.index("disliked")] = -0.5
    return layer
