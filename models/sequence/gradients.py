"""Loss of the sequence model on a batch and its gradients, written out; see `models.sequence.model`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.sequence.batches import Batch
from models.sequence.history import COUNTS, GAPS, GRADES, POSITIONS, Floats, Ints


def _segment_sum(index: Ints, values: Floats, size: int) -> Floats:
    """Sum of `values` [m, d] by `index` [m] into float32 [size, d]."""
    out = np.zeros((size, values.shape[1]), np.float32)
    if len(index):
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        out[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)
    return out


def loss_and_gradients(
    parameters: Mapping[str, Floats],
    content: Floats | None,
    outputs: tuple[Floats, Floats],
    batch: Batch,
    columns: Ints | None,
    correction: Floats | None,
    mask: Floats | None,
) -> tuple[float, dict[str, Floats], Ints | None]:
    """Summed weighted cross-entropy, gradients of its weighted mean, rows they are for (None: all).

    `outputs` are embeddings [n, d] and biases [n] with the content's part;
    `columns` int64 [m], sorted: the items in the softmax; `correction` float32 [m]; `mask`
    float32 [queries, d]: multiplies x (dropout). Items a query has in its window are no
    negatives. Gradients of `embedding` and `bias` have one row for each of `rows`.
    """
    p = parameters
    embedding, bias = outputs
    (items, d), h = embedding.shape, len(p["null"])
    c, t, _ = batch.kept.shape
    n = c * t
    # forward
    logits = (p["gap"][:, batch.gaps] + p["position"][:, batch.positions]).transpose(1, 0, 2, 3)
    logits = logits + p["grade"][:, batch.grades].transpose(1, 0, 2)[:, :, None, :]
    e = np.exp(np.minimum(logits, 30.0)) * batch.kept[:, None]
    null = np.exp(p["null"])[None, :, None]
    norm = e.sum(-1) + null
    a = e / norm[..., None]
    keys = embedding[batch.items]
    u = a @ keys[:, None]
    gate = (1 + p["gate_count"][batch.counts] + p["gate_gap"][batch.last_gaps]).transpose(0, 2, 1)
    mixed = (u * gate[..., None]).transpose(0, 2, 1, 3).reshape(n, h * d)
    counts, lasts, kinds = batch.counts.ravel(), batch.last_gaps.ravel(), batch.kinds.ravel()
    x = mixed @ p["map"] + p["state_count"][counts] + p["state_gap"][lasts] + p["kind"][kinds]
    if mask is not None:
        x = x * mask
    out_e = embedding if columns is None else embedding[columns]
    s = x @ out_e.T + (bias if columns is None else bias[columns])
    if correction is not None:
        s += correction
    width = s.shape[1]
    ci, ti, ki = np.nonzero(batch.visible)
    had = batch.items[ci, ki]
    query = ci * t + ti
    if columns is None:
        target = batch.targets
    else:
        target = np.searchsorted(columns, batch.targets)
        place = np.minimum(np.searchsorted(columns, had), width - 1)
        found = columns[place] == had
        query, had = query[found], place[found]
    again = had == target[query]  # a repeated item is never banned as its own target
    s[query[~again], had[~again]] = -1e9
    # softmax cross-entropy
    s -= s.max(1, keepdims=True)
    np.exp(s, out=s)
    s /= s.sum(1, keepdims=True)
    each = np.arange(n)
    loss = float(-(np.log(s[each, target] + 1e-12) * batch.weights).sum())
    s[each, target] -= 1
    s *= (batch.weights / max(float(batch.weights.sum()), 1e-9))[:, None]
    # backward
    g: dict[str, Floats] = {}
    d_bias = s.sum(0)
    d_out = s.T @ x
    dx = s @ out_e
    if mask is not None:
        dx *= mask
    g["state_count"] = _segment_sum(counts, dx, COUNTS)
    g["state_gap"] = _segment_sum(lasts, dx, GAPS)
    g["kind"] = _segment_sum(kinds, dx, 2)
    g["map"] = mixed.T @ dx
    d_mixed = (dx @ p["map"].T).reshape(c, t, h, d).transpose(0, 2, 1, 3)
    d_gate = (d_mixed * u).sum(-1).transpose(0, 2, 1).reshape(n, h)
    g["gate_count"] = _segment_sum(counts, d_gate, COUNTS)
    g["gate_gap"] = _segment_sum(lasts, d_gate, GAPS)
    du = d_mixed * gate[..., None]
    d_keys = (a.transpose(0, 1, 3, 2) @ du).sum(1)
    da = du @ keys.transpose(0, 2, 1)[:, None]
    dot = (a * da).sum(-1)
    dl = (a * (da - dot[..., None])).transpose(1, 0, 2, 3).reshape(h, -1)
    g["null"] = -(dot * (null / norm)).sum((0, 2))
    cell = (batch.gaps * POSITIONS + batch.positions) * GRADES + batch.grades[:, None, :]
    size = GAPS * POSITIONS * GRADES
    table = np.stack([np.bincount(cell.ravel(), weights=dl[j], minlength=size) for j in range(h)])
    table = table.reshape(h, GAPS, POSITIONS, GRADES).astype(np.float32)
    g["gap"], g["position"], g["grade"] = table.sum((2, 3)), table.sum((1, 3)), table.sum((1, 2))
    if columns is None:
        g["embedding"] = d_out + _segment_sum(batch.items.ravel(), d_keys.reshape(-1, d), items)
        g["bias"] = d_bias
        rows = None
    else:
        rows, inverse = np.unique(np.concatenate([columns, batch.items.ravel()]), return_inverse=True)
        g["embedding"] = _segment_sum(inverse, np.concatenate([d_out, d_keys.reshape(-1, d)]), len(rows))
        g["bias"] = np.zeros(len(rows), np.float32)
        g["bias"][inverse[: len(columns)]] = d_bias
    if content is not None:
        used = content if rows is None else content[rows]
        g["content_map"] = used.T @ g["embedding"]
        g["content_bias"] = used.T @ g["bias"]
    return loss, g, rows
