"""A model's export run by ONNX Runtime, without PyTorch: greedy decoding with a cache of keys and values.

The graph is the one that Optimum exports and transformers.js reads: inputs `input_ids`, `attention_mask`,
`position_ids` (not in all) int64 [1, T] and `past_key_values.L.key|value` [1, H, P, D]; outputs `logits`
[1, T, V] and `present.L.key|value` [1, H, P + T, D].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from models.onnx_runtime import ort
from streams.errors import ConfigurationError
from workers.language_model.local_model import check_room
from workers.language_model.prompt_tokens import ChatPrompts
from workers.language_model.transport import Completion, Message

_PAST: Final = "past_key_values."
_PRESENT: Final = "present."
_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxDecoder:
    """A causal language model; see `Decoder`.

    Args:
        folder: With `config.json` and the tokenizer's files.
        graph: The ONNX file.

    Raises:
        ConfigurationError: The graph is another one.
    """

    def __init__(self, folder: Path, graph: Path, threads: int) -> None:
        self._prompts = ChatPrompts(AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        inputs = {one.name: one for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]
        past = [one for name, one in inputs.items() if name.startswith(_PAST)]
        if not past or "logits" not in self._outputs or not {"input_ids", "attention_mask"} <= inputs.keys():
            raise ConfigurationError(
                f"{graph} has not the inputs and outputs of a decoder with a cache: export it with "
                "`optimum-cli export onnx --task text-generation-with-past`"
            )
        self._empty = {
            one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), _TYPES[one.type]) for one in past
        }
        self._has_positions = "position_ids" in inputs
        config = _json(folder / "config.json")
        self._room = config.get("max_position_embeddings")
        self._ends = _ends(config | _json(folder / "generation_config.json"))

    def decode(
        self, messages: Sequence[Message], max_tokens: int, is_unwanted: Callable[[], bool]
    ) -> Completion:
        """See `Decoder.decode`."""
        prompt = self._prompts.tokens(messages)
        check_room(len(prompt), max_tokens, self._room)
        cache: dict[str, NDArray[Any]] = dict(self._empty)
        answer: list[int] = []
        read, tokens = 0, prompt
        while len(answer) < max_tokens and not is_unwanted():
            end = read + len(tokens)
            feed = {
                "input_ids": np.array([tokens], np.int64),
                "attention_mask": np.ones((1, end), np.int64),
                **cache,
            }
            if self._has_positions:
                feed["position_ids"] = np.arange(read, end, dtype=np.int64)[None]
            found = dict(zip(self._outputs, self._session.run(None, feed), strict=True))
            token = int(found["logits"][0, -1].argmax())
            if token in self._ends:
                break
            answer.append(token)
            cache = {name: found[_PRESENT + name.removeprefix(_PAST)] for name in cache}
            read, tokens = end, [token]
        return Completion(self._prompts.text(answer), len(prompt), len(answer))


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def _ends(config: dict[str, Any]) -> frozenset[int]:
    """The tokens that end an answer: one, or several."""
    told = config.get("eos_token_id")
    return frozenset(told if isinstance(told, list) else [] if told is None else [told])
