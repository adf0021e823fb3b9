"""A text encoder that has learned a deployment's own words: `freshet train text`.

Frequent words that fall into several pieces become tokens. Each starts as the sum of its pieces, so that
texts have the vectors that they had; then skip-gram turns the rows of words towards those in like contexts,
held by a pull to where they were. A row's length stays: it says how much a word counts in the sum of a text,
which contexts do not tell. What follows the sum in the graph, a small network, stays too.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tokenizers import Tokenizer

from models.encoders.loading import load_encoder
from models.encoders.manifest import (
    MANIFEST_FILE,
    FileEntry,
    Measurement,
    TextManifest,
    TrainingData,
    encode_manifest,
    read_manifest,
)
from models.encoders.session import read_checked
from models.errors import ManifestError, TrainingError
from models.export.fidelity import fidelity
from models.export.writing import require_free
from models.sequence.negative_sampling import Ints
from models.training.new_words import require_word_pieces, split_words, with_rows_of, with_words
from models.training.word_table import read_word_table
from models.training.word_training import OnProgress, OwnWordsSettings, TrainedRows, train_rows

LEAST_TEXTS = 20
_HELD_OUT_SHARE = 0.1
# The cosines of all their pairs are compared.
_MOST_COMPARED = 1_000


@dataclass(frozen=True, slots=True)
class OwnTexts:
    """What is learned from: texts as an encoder gets them, read once; their source and their licence."""

    texts: Iterable[str]
    name: str
    licence: str


def train_own_words(
    base: Path,
    own: OwnTexts,
    settings: Mapping[str, Any],
    seed: int,
    name: str,
    out: Path,
    on_progress: OnProgress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Train on nine tenths of the texts, measure on the rest, and write the encoder to ``out/NAME``.

    Args:
        base: The folder of the encoder to begin with.
        own: The texts; see `LEAST_TEXTS`.
        settings: As `OwnWordsSettings`.
        seed: Of everything random, and of which texts are held out.
        name: Of the new encoder.
        out: The folder that holds the encoder's folder; made where it is not there.
        on_progress: Told what is being done, how much of it is done, and of how much.

    Returns:
        ``name``, ``folder``, ``words`` (those that were added, the most frequent first), ``texts`` (how many
        there were), ``data_sha256`` of them, ``losses`` of the epochs, and ``quality`` by name, as in the
        manifest.

    Raises:
        ExportError: There is an encoder of this name.
        ManifestError: The encoder to begin with is not what its manifest says.
        TrainingError: It is of another kind, there are too few texts, or they hold no word.
    """
    chosen = OwnWordsSettings(**settings)
    require_free(name, out)
    manifest = read_manifest(base)
    if not isinstance(manifest, TextManifest):
        raise TrainingError(f"{base} encodes {manifest.modality}. Name the folder of a text encoder.")
    table = read_word_table(base, manifest)
    before = load_encoder(base)
    tokenizer = _tokenizer(base, manifest, len(table.rows))
    on_progress("finding words", 0, 1)
    texts = drawn(own.texts, chosen.most_texts, seed)
    if len(texts) < LEAST_TEXTS:
        raise TrainingError(f"{own.name} holds {len(texts)} texts; at least {LEAST_TEXTS} are needed.")
    learned, held_out = _parted(texts, seed)
    words = split_words(tokenizer, learned, chosen.new_words, chosen.least_count)
    tokenizer = with_words(tokenizer, words)
    start = with_rows_of(table.rows, words)
    on_progress("finding words", 1, 1)
    found = train_rows(
        start,
        np.arange(len(start)) >= len(table.rows),
        [_ids(tokenizer, text) for text in learned],
        [_ids(tokenizer, text) for text in held_out],
        chosen,
        seed,
        on_progress,
    )
    data_sha256 = _fingerprint(texts)
    out.mkdir(parents=True, exist_ok=True)
    # Two levels down, where nothing looks for encoders.
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out) as work:
        folder = Path(work) / name
        folder.mkdir()
        graph = _written(folder / manifest.graph.file, table.with_rows(found.rows))
        vocabulary = _written(
            folder / manifest.preprocessing.tokenizer.file, tokenizer.to_str(pretty=False).encode()
        )
        made = msgspec.structs.replace(
            manifest,
            name=name,
            source="freshet train text",
            description=f"{manifest.name}, and {len(words)} words of a deployment; skip-gram on its texts.",
            graph=msgspec.structs.replace(manifest.graph, sha256=graph.sha256, size_bytes=graph.size_bytes),
            preprocessing=msgspec.structs.replace(manifest.preprocessing, tokenizer=vocabulary),
            # What was measured of the encoder to begin with does not hold of this one.
            quality={},
            trained_on=(
                *manifest.trained_on,
                TrainingData(
                    dataset=own.name,
                    part=f"{len(learned)} texts; the sha256 of all {len(texts)} is {data_sha256}",
                    licence=own.licence,
                ),
            ),
        )
        (folder / MANIFEST_FILE).write_bytes(encode_manifest(made))
        compared = held_out[:_MOST_COMPARED]
        near = fidelity(load_encoder(folder).encode(compared), before.encode(compared))
        quality = _quality(
            f"held-out texts of {own.name}", manifest.name, near.rank_correlation, near.mean_cosine, found
        )
        (folder / MANIFEST_FILE).write_bytes(encode_manifest(msgspec.structs.replace(made, quality=quality)))
        shutil.move(folder, out / name)
    return {
        "name": name,
        "folder": str(out / name),
        "words": [one.word for one in words],
        "texts": len(texts),
        "data_sha256": data_sha256,
        "losses": found.losses,
        "quality": {what: one.value for what, one in quality.items()},
    }


def _tokenizer(folder: Path, manifest: TextManifest, rows: int) -> Tokenizer:
    entry = manifest.preprocessing.tokenizer
    tokenizer = Tokenizer.from_buffer(read_checked(folder, entry))
    require_word_pieces(tokenizer, f"{folder / entry.file}")
    if tokenizer.get_vocab_size() != rows:
        raise ManifestError(
            f"{folder / entry.file} has {tokenizer.get_vocab_size()} tokens, {manifest.graph.file} has rows "
            f"for {rows}."
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest.preprocessing.max_tokens)
    return tokenizer


def drawn(texts: Iterable[str], most: int, seed: int) -> list[str]:
    """All texts in their order; of more than ``most`` as many, each as likely (Vitter 1985, algorithm R)."""
    rng = np.random.default_rng(seed)
    kept: list[str] = []
    for number, text in enumerate(texts):
        if number < most:
            kept.append(text)
        elif (place := int(rng.integers(number + 1))) < most:
            kept[place] = text
    return kept


def _parted(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Those to learn from and those that are held out, each in a random order."""
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    mixed = [texts[at] for at in order]
    held_out = round(len(mixed) * _HELD_OUT_SHARE)
    return mixed[held_out:], mixed[:held_out]


def _ids(tokenizer: Tokenizer, text: str) -> Ints:
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int64)


def _written(path: Path, data: bytes) -> FileEntry:
    path.write_bytes(data)
    return FileEntry(file=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def _fingerprint(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _quality(
    where: str, base: str, rank_correlation: float, cosine: float, found: TrainedRows
) -> dict[str, Measurement]:
    """All of it on texts that nothing was learned from."""
    loss = "skip-gram with negative sampling: mean loss of a pair of words"
    measured = {
        "agreement_with_base": (
            rank_correlation,
            f"rank correlation of the cosines of all pairs, with {base}",
        ),
        "cosine_with_base": (cosine, f"mean cosine of a text's vectors, with {base}"),
        "context_loss_before": (found.context_loss_before, f"{loss}, by the words' vectors to begin with"),
        "context_loss": (found.context_loss, loss),
    }
    return {
        what: Measurement(value=round(value, 4), dataset=where, method=method)
        for what, (value, method) in measured.items()
        if np.isfinite(value)
    }
