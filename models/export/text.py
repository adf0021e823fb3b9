"""Text models: sentence transformers, BERT-like networks, and the text tower of CLIP-like ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.encoders.encoder import Vectors
from models.errors import ExportError
from models.export.graph import OUTPUT, export_graph
from models.export.hf import load_model
from models.export.options import only
from models.export.prepared import Prepared, Reference
from models.export.source import WEIGHTS_FILE, ModelFolder, inside, trusted_root

_MAX_TOKENS = 8192
_OPTIONS = ("max_tokens", "prefix")
# Of sentence-transformers: what a graph over ids and mask can hold.
_MODULES = ("Transformer", "Pooling", "Dense", "Normalize", "LayerNorm")
# They were trained on texts filled up to one length, and pool the last token, filling or not.
_FIXED_LENGTH = ("siglip", "siglip2")
_INPUTS = ("input_ids", "attention_mask")
_FREE = (("batch", "tokens"), ("batch", "tokens"))


def prepare_sentences(source: ModelFolder, options: Mapping[str, Any]) -> Prepared:
    """A sentence transformer, or a BERT-like network, of which the mean over tokens is then taken.

    Args:
        source: Its folder.
        options: ``max_tokens`` and ``prefix``, instead of the model's own.

    Raises:
        ExportError: It cannot be exported; the message says why.
    """
    only(options, _OPTIONS, "text")
    _check_modules(source)
    load_model(source)  # whether the weights are whole, which the library below does not ask
    model = _sentence_transformer(source)
    tokenizer = _tokenizer_json(model.tokenizer, source)
    limit = _limit(options, model.max_seq_length, model.tokenizer)
    model.max_seq_length = limit
    prefix = str(options.get("prefix", model.prompts.get(model.default_prompt_name) or ""))
    graph, dimension = export_graph(_Sentences(model), _examples(model.tokenizer), _INPUTS, _FREE)

    def reference(texts: Sequence[str]) -> Vectors:
        prefixed = [prefix + text for text in texts]
        found = model.encode(prefixed, prompt="", normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    return _prepared(graph, dimension, tokenizer, limit, prefix, reference)


def prepare_text_tower(source: ModelFolder, options: Mapping[str, Any]) -> Prepared:
    """The text tower of a CLIP-like model: its vectors are near to those of pictures that show the text.

    Args:
        source: Its folder.
        options: See `prepare_sentences`.

    Raises:
        ExportError: It cannot be exported; the message says why.
    """
    from transformers import AutoTokenizer

    only(options, _OPTIONS, "text")
    model, _ = load_model(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # whatever its many tokenizers raise
        raise ExportError(f"The tokenizer in {source.folder} cannot be loaded: {error}") from error
    config = getattr(model.config, "text_config", model.config)
    positions = int(config.max_position_embeddings)
    limit = min(_limit(options, positions, tokenizer), positions)
    fixed = positions if source.model_type in _FIXED_LENGTH else 0
    padding = int(tokenizer.pad_token_id or 0)
    prefix = str(options.get("prefix", ""))
    tower = _TextTower(model, fixed, padding)
    graph, dimension = export_graph(tower, _examples(tokenizer), _INPUTS, _FREE)

    def reference(texts: Sequence[str]) -> Vectors:
        rows = []
        for text in texts:
            ids = tokenizer(prefix + text, truncation=True, max_length=limit)["input_ids"]
            ids = torch.tensor([ids + [padding] * (fixed - len(ids))])
            mask = {} if fixed else {"attention_mask": torch.ones_like(ids)}
            with torch.no_grad():
                rows.append(vectors_of(model.get_text_features(input_ids=ids, **mask))[0].numpy())
        return np.stack(rows)

    return _prepared(graph, dimension, _tokenizer_json(tokenizer, source), limit, prefix, reference)


def vectors_of(output: Any) -> Tensor:
    """What `get_…_features` of transformers gives, by its version the vectors or what holds them."""
    return output if isinstance(output, Tensor) else output.pooler_output


class _Sentences(nn.Module):
    """The modules of a sentence transformer, one after the other."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return found


class _TextTower(nn.Module):
    """`get_text_features`; with texts filled up to ``fixed`` tokens where it is not 0."""

    def __init__(self, model: Any, fixed: int, padding: int) -> None:
        super().__init__()
        self.model = model
        self.fixed = fixed
        self.padding = padding

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        if not self.fixed:
            return vectors_of(self.model.get_text_features(input_ids=ids, attention_mask=mask))
        filled = torch.where(mask > 0, ids, self.padding)
        more = torch.full_like(ids[:, :1], self.padding).expand(-1, self.fixed)
        return vectors_of(
            self.model.get_text_features(input_ids=torch.cat([filled, more], dim=1)[:, : self.fixed])
        )


def _prepared(
    graph: bytes, dimension: int, tokenizer: bytes, limit: int, prefix: str, reference: Reference
) -> Prepared:
    return Prepared(
        modality="text",
        graph=graph,
        inputs=_INPUTS,
        output=OUTPUT,
        dimension=dimension,
        preprocessing={"max_tokens": limit, "prefix": prefix},
        tokenizer=tokenizer,
        reference=reference,
    )


def _check_modules(source: ModelFolder) -> None:
    modules = source.json("modules.json") or []
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise ExportError(f"{source.folder}/modules.json is no list of steps.")
    for module in modules:
        kind, path = str(module.get("type", "")), str(module.get("path", ""))
        if not kind.startswith("sentence_transformers.") or kind.rsplit(".", 1)[-1] not in _MODULES:
            raise ExportError(
                f"{source.folder}/modules.json has a step {kind}; known are {', '.join(_MODULES)}."
            )
        if kind.endswith("Transformer") and path:
            raise ExportError(
                f"{source.folder}/modules.json has its network in {path}; name that folder instead."
            )
        folder = source.folder / path
        if not inside(folder, trusted_root(source.folder)):
            raise ExportError(f"{source.folder}/modules.json leaves its folder for {path}.")
        activation = (source.json(f"{path}/config.json") or {}).get("activation_function", "torch.nn.")
        if kind.endswith("Dense") and not str(activation).startswith("torch.nn."):
            # Older releases call whatever is named here.
            raise ExportError(f"{folder} names {activation} as its activation; known are those of torch.nn.")
        if kind.endswith(("Dense", "LayerNorm")) and not (folder / WEIGHTS_FILE).is_file():
            raise ExportError(
                f"{folder} has no {WEIGHTS_FILE}; other formats may run code when they are opened."
            )


def _sentence_transformer(source: ModelFolder) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ExportError(
            "Text needs the package sentence-transformers: pip install 'freshet[export]'"
        ) from error
    try:
        model = SentenceTransformer(
            str(source.folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "attn_implementation": "eager"},
        )
    except Exception as error:  # whatever it, transformers and PyTorch raise
        raise ExportError(f"sentence-transformers cannot load {source.folder}: {error}") from error
    if any(not getattr(module, "include_prompt", True) for module in model):
        raise ExportError(f"{source.folder} leaves its prompt out when it pools, which is not done here.")
    return model.float().eval()


def _tokenizer_json(tokenizer: Any, source: ModelFolder) -> bytes:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ExportError(
            f"The tokenizer in {source.folder} exists in Python alone. Workers need a tokenizer.json of the "
            "tokenizers library."
        )
    return str(backend.to_str()).encode()


def _limit(options: Mapping[str, Any], own: int | None, tokenizer: Any) -> int:
    found = min(own or _MAX_TOKENS, tokenizer.model_max_length or _MAX_TOKENS, _MAX_TOKENS)
    asked = options.get("max_tokens", found)
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= found:
        raise ExportError(f"`max_tokens` is {asked!r}; this model takes 1 to {found}.")
    return asked


def _examples(tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Two texts of different length, as workers fill them up: with id 0 under a mask of 0."""
    texts = [tokenizer(text)["input_ids"] for text in ("a plain sample", "another, a little longer sample")]
    width = max(map(len, texts))
    ids = torch.tensor([one + [0] * (width - len(one)) for one in texts])
    mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in texts])
    return ids, mask
