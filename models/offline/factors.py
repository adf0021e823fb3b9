"""Matrix factorisation by pairs, over a graph or not: LightGCN and BPR-MF.

With E [users + items, D] the vectors to learn and Â = D^-½ A D^-½ the normalised graph of who took what,
people and items score by the inner product of the rows of (1 / (L + 1)) Σ_{l = 0…L} Âˡ E (He et al. 2020,
"LightGCN", eq. 8). L = 0 is matrix factorisation. E minimises −log σ(x_ui − x_uj) over items i that u took
and j that u did not (Rendle et al. 2009, "BPR: Bayesian personalized ranking from implicit feedback"), with
weight decay on the rows that a batch names, by Adam (Kingma and Ba 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.offline.interface import Features, FitContext, Interactions

Matrix = NDArray[np.float32]
_INITIAL_SCALE = 0.1
_CHECK_EPOCHS = 5
_ADAM_DECAY = (0.9, 0.999)
_ADAM_EPSILON = 1e-8


class GraphFactors:
    """See the module. Stops when validation has not improved three times; keeps the best.

    Args:
        layers: L, ≥ 0; 0 is BPR-MF.
        dimension: D.
        learning_rate: Of Adam.
        weight_decay: Of the rows in a batch.
        batch_pairs: Pairs of items a step.
        epochs: At most so many.
        patience: Checks of validation, one every five epochs, without a better one before it stops.
    """

    def __init__(
        self,
        layers: int,
        dimension: int = 64,
        learning_rate: float = 0.005,
        weight_decay: float = 1e-4,
        batch_pairs: int = 8_192,
        epochs: int = 150,
        patience: int = 3,
    ) -> None:
        self._layers = layers
        self._dimension = dimension
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._batch_pairs = batch_pairs
        self._epochs = epochs
        self._patience = patience
        self._users = 0
        self._served: Matrix = np.zeros((0, dimension), np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        random = np.random.default_rng(context.seed)
        self._users = train.shape[0]
        graph = _normalised_graph(train) if self._layers else None
        shape = (sum(train.shape), self._dimension)
        weights = (_INITIAL_SCALE * random.standard_normal(shape)).astype(np.float32)
        adam = _Adam(shape, self._learning_rate)
        best, best_served, misses = -np.inf, None, 0
        for epoch in range(1, self._epochs + 1):
            for positives, negatives in _batches(train, random, self._batch_pairs):
                weights -= adam.step(self._gradient(weights, graph, positives, negatives))
            context.on_progress(epoch, self._epochs)
            if context.validate is None or epoch % _CHECK_EPOCHS:
                continue
            self._served = self._propagated(weights, graph)
            reached = context.validate(self)
            if reached > best:
                best, best_served, misses = reached, self._served, 0
            else:
                misses += 1
                if misses == self._patience:
                    break
        context.on_progress(self._epochs, self._epochs)
        self._served = self._propagated(weights, graph) if best_served is None else best_served

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return self._served[users] @ self._served[self._users :].T

    def _propagated(self, weights: Matrix, graph: Any) -> Matrix:
        """Symmetric and linear, so that it takes gradients back as it takes vectors forth."""
        if graph is None:
            return weights.copy()
        total, layer = weights.copy(), weights
        for _ in range(self._layers):
            layer = graph @ layer
            total += layer
        total /= np.float32(self._layers + 1)
        return total

    def _gradient(self, weights: Matrix, graph: Any, positives: Any, negatives: NDArray[np.int64]) -> Matrix:
        users, taken, others = positives[0], self._users + positives[1], self._users + negatives
        vectors = self._propagated(weights, graph)
        towards = vectors[taken] - vectors[others]
        margin = np.einsum("nd,nd->n", vectors[users], towards)
        # −σ(−margin) is the derivative of −log σ(margin).
        slope = (-1.0 / (1.0 + np.exp(np.clip(margin, -30.0, 30.0))) / len(users)).astype(np.float32)
        of_items = slope[:, None] * vectors[users]
        rows = np.concatenate([users, taken, others])
        scattered = _scatter(rows, len(weights))
        gradient = scattered @ np.concatenate([slope[:, None] * towards, of_items, -of_items])
        decay = np.float32(self._weight_decay / len(users)) * (scattered @ weights[rows])
        return self._propagated(np.asarray(gradient, np.float32), graph) + np.asarray(decay, np.float32)


class _Adam:
    """Kingma and Ba 2015, algorithm 1, with bias correction."""

    def __init__(self, shape: tuple[int, int], learning_rate: float) -> None:
        self._first = np.zeros(shape, np.float32)
        self._second = np.zeros(shape, np.float32)
        self._learning_rate = learning_rate
        self._steps = 0

    def step(self, gradient: Matrix) -> Matrix:
        """What to subtract from the weights."""
        first_decay, second_decay = _ADAM_DECAY
        self._steps += 1
        self._first += np.float32(1 - first_decay) * (gradient - self._first)
        self._second += np.float32(1 - second_decay) * (gradient * gradient - self._second)
        rate = self._learning_rate / (1 - first_decay**self._steps)
        scale = np.sqrt(self._second / np.float32(1 - second_decay**self._steps)) + np.float32(_ADAM_EPSILON)
        change: Matrix = np.float32(rate) * self._first / scale
        return change


def _batches(train: Interactions, random: np.random.Generator, batch_pairs: int) -> Any:
    """Each interaction once in random order, with an item that the person did not take."""
    items = train.shape[1]
    entries = train.tocoo()
    rows, columns = (numbers.astype(np.int64) for numbers in entries.coords)
    taken = np.sort(rows * items + columns)
    order = random.permutation(len(rows))
    for begin in range(0, len(order), batch_pairs):
        batch = order[begin : begin + batch_pairs]
        others = random.integers(0, items, len(batch))
        drawn = rows[batch] * items + others
        found = taken[np.minimum(np.searchsorted(taken, drawn), len(taken) - 1)]
        is_untaken = found != drawn
        if is_untaken.any():
            yield (rows[batch][is_untaken], columns[batch][is_untaken]), others[is_untaken]


def _normalised_graph(train: Interactions) -> Any:
    from scipy.sparse import block_array, diags_array

    roots = [np.sqrt(np.asarray(train.sum(axis=axis), np.float64)) for axis in (1, 0)]
    inverse = [np.divide(1.0, root, out=np.zeros_like(root), where=root > 0) for root in roots]
    scaled = (diags_array(inverse[0]) @ train @ diags_array(inverse[1])).astype(np.float32)
    return block_array([[None, scaled], [scaled.T, None]], format="csr")


def _scatter(rows: NDArray[np.int64], size: int) -> Any:
    """The sparse matrix [size, n] that adds n vectors up by row: much faster than `numpy.add.at`."""
    from scipy.sparse import csr_array

    count = len(rows)
    return csr_array((np.ones(count, np.float32), (rows, np.arange(count))), shape=(size, count))
