"""Exports a model as an ONNX graph with a cache of keys and values, as Optimum names its inputs and outputs.

    python -m tests.language_model.export FOLDER

Adds `model.onnx` to the folder: with it, `language_model.local` needs no PyTorch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache

_LARGE: Final = 1_000


class _WithCache(torch.nn.Module):
    """The model with its cache as plain tensors."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        *past: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        read = past[0].shape[2]
        asked = input_ids.shape[1]
        # Written out, as tracing does not see through how transformers makes masks.
        rows = torch.arange(asked)[:, None] + read
        columns = torch.arange(read + asked)[None, :]
        allowed = (columns <= rows)[None, None] & attention_mask[:, None, None, :].bool()
        mask = torch.where(allowed, 0.0, torch.finfo(torch.float32).min)
        out = self.model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        flat = [tensor for one in out.past_key_values.layers for tensor in (one.keys, one.values)]
        return out.logits, *flat


def export(folder: Path) -> Path:
    """Write the graph beside the weights; where it is."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    config = model.config
    heads, size = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
    past = [torch.zeros(1, heads, 2, size) for _ in range(2 * config.num_hidden_layers)]
    names = [f"{layer}.{kind}" for layer in range(config.num_hidden_layers) for kind in ("key", "value")]
    ids = torch.ones((1, 3), dtype=torch.long)
    file = folder / "model.onnx"
    with torch.inference_mode():
        torch.onnx.export(
            _WithCache(model),
            (ids, torch.ones((1, 5), dtype=torch.long), torch.tensor([[2, 3, 4]]), *past),
            str(file),
            input_names=["input_ids", "attention_mask", "position_ids"]
            + [f"past_key_values.{name}" for name in names],
            output_names=["logits", *(f"present.{name}" for name in names)],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "tokens"},
                "attention_mask": {0: "batch", 1: "all_tokens"},
                "position_ids": {0: "batch", 1: "tokens"},
                "logits": {0: "batch", 1: "tokens"},
                **{f"past_key_values.{name}": {0: "batch", 2: "past_tokens"} for name in names},
                **{f"present.{name}": {0: "batch", 2: "all_tokens"} for name in names},
            },
            opset_version=17,
            # Folded, what is tied would be stored twice.
            do_constant_folding=False,
            dynamo=False,
        )
    _halve(file)
    return file


def _halve(file: Path) -> None:
    """Store large weights in half precision; they are computed with in single."""
    model = onnx.load(file)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= _LARGE:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for at, cast in enumerate(casts):
        model.graph.node.insert(at, cast)
    onnx.save(model, file)


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(export(parser.parse_args().folder))


if __name__ == "__main__":
    main()
