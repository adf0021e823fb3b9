"""A model's weights run by transformers: the only module of a worker that imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteriaList

from workers.language_model.local_model import check_room
from workers.language_model.prompt_tokens import ChatPrompts
from workers.language_model.transport import Completion, Message


class TorchDecoder:
    """A causal language model, on a GPU where there is one; see `Decoder`.

    Neither code that comes with a model is run, nor pickled weights are read.
    """

    def __init__(self, name: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._prompts = ChatPrompts(AutoTokenizer.from_pretrained(name, trust_remote_code=False))
        model = AutoModelForCausalLM.from_pretrained(
            name,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto" if self._device == "cuda" else torch.float32,
        )
        self._model: Any = model.to(self._device).eval()
        self._room = getattr(model.config, "max_position_embeddings", None)

    def decode(
        self, messages: Sequence[Message], max_tokens: int, is_unwanted: Callable[[], bool]
    ) -> Completion:
        """See `Decoder.decode`."""
        prompt = self._prompts.tokens(messages)
        check_room(len(prompt), max_tokens, self._room)
        ids = torch.tensor([prompt], device=self._device)
        with torch.inference_mode():
            written = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_tokens,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([_Unwanted(is_unwanted)]),
                pad_token_id=0,
            )
        answer = written[0, len(prompt) :].tolist()
        return Completion(self._prompts.text(answer), len(prompt), len(answer))


class _Unwanted:
    """A stopping criterion of transformers."""

    def __init__(self, is_unwanted: Callable[[], bool]) -> None:
        self._is_unwanted = is_unwanted

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._is_unwanted(), device=input_ids.device)
