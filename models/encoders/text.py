"""Text: tokenizer, then one graph over token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from models.encoders.encoder import Encoder, Vectors
from models.encoders.manifest import TextManifest
from models.encoders.session import OnnxGraph, SessionSettings, read_checked
from models.errors import EncoderInputError, ManifestError

# A WordPiece is at least one character; what lies beyond cannot reach the network, so it isn't tokenised.
_CHARACTERS_PER_TOKEN = 16


class TextEncoder(Encoder[str]):
    """Encodes cleaned text (``str``), truncated to ``max_tokens``."""

    manifest: TextManifest

    def __init__(self, folder: Path, manifest: TextManifest, settings: SessionSettings) -> None:
        self.manifest = manifest
        self._settings = settings
        self._graph = OnnxGraph(folder, manifest.graph, settings)
        for name in manifest.graph.inputs:
            self._graph.require_input(name, "tensor(int64)", (None, None))
        self._graph.require_output_dimension(manifest.dimension)
        entry = manifest.preprocessing.tokenizer
        try:
            self._tokenizer = Tokenizer.from_buffer(read_checked(folder, entry))
        except ManifestError:
            raise
        except Exception as error:  # the tokenizers library raises bare Exception
            raise ManifestError(
                f"{folder / entry.file} is not a tokenizer.json of the tokenizers library: {error}."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(manifest.preprocessing.max_tokens)

    def sample(self) -> str:
        return "a plain sample"

    def _forward(self, batch: Sequence[str]) -> Vectors:
        bad = tuple(row for row, text in enumerate(batch) if not isinstance(text, str))
        if bad:
            raise EncoderInputError(f"{self.name} takes strings.", bad)
        options = self.manifest.preprocessing
        limit = options.max_tokens * _CHARACTERS_PER_TOKEN
        # One by one: the library's batches start threads of their own, which do not survive a fork.
        tokens = [
            self._tokenizer.encode(
                options.prefix + _encodable(text[:limit]), add_special_tokens=options.special_tokens
            ).ids
            for text in batch
        ]
        said = [row for row, text in enumerate(batch) if text.strip() and tokens[row]]
        # Texts of like length share a run, so that little is spent on padding.
        said.sort(key=lambda row: len(tokens[row]))
        vectors = np.zeros((len(batch), self.dimension), np.float32)
        for start in range(0, len(said), self._settings.batch_size):
            rows = said[start : start + self._settings.batch_size]
            vectors[rows] = self._centred(self._run([tokens[row] for row in rows]))
        return vectors

    def _run(self, tokens: list[list[int]]) -> Vectors:
        width = max(len(ids) for ids in tokens)
        ids = np.zeros((len(tokens), width), np.int64)
        mask = np.zeros((len(tokens), width), np.int64)
        for row, values in enumerate(tokens):
            ids[row, : len(values)] = values
            mask[row, : len(values)] = 1
        inputs = (ids, mask, np.zeros_like(ids))[: len(self.manifest.graph.inputs)]
        output = self._graph.run(*inputs)
        pooling = self.manifest.preprocessing.pooling
        if pooling == "none":
            return output
        if output.ndim != 3:
            raise ManifestError(
                f'{self.name}: `pooling` is "{pooling}", but its output has {output.ndim} dimensions '
                'instead of 3 (text, token, number). Set `pooling` to "none" if the graph pools.'
            )
        if pooling == "first":
            return output[:, 0]
        weights = mask[:, :, None].astype(np.float32)
        return np.asarray((output * weights).sum(axis=1) / weights.sum(axis=1), np.float32)


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which the tokenizer cannot take."""
    return text.encode("utf-8", "ignore").decode("utf-8")
