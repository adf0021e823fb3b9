"""Passages of text that may ship: what the text encoder is distilled on.

A folder of sources is read, each in a folder of its own; `docs/guide/encoders.md` says where they come from.

=============  ==========================================================  ============================
folder         what                                                        licence
=============  ==========================================================  ============================
wordnet        ``data.*`` of WordNet 3.1: glosses, examples, collocations  WordNet 3.1
gutenberg      novels and stories of Project Gutenberg, plain text         public domain
commonvoice    sentences collected for Common Voice, one a line            CC0 1.0
masc           MASC 3.0 with tags, ``spoken`` and ``written``              free, commercial use included
gsm8k          ``train.jsonl``: sums told as small stories                 MIT
=============  ==========================================================  ============================

Passages are as long as texts of items are: a phrase, a sentence, a paragraph, up to 220 words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z])")
_MAX_WORDS: Final = 220
_MEDIAN_WORDS: Final = 60.0


LICENCES: Final = {
    "wordnet": "WordNet",
    "gutenberg": "public domain",
    "commonvoice": "CC0-1.0",
    # As the package masc_tagged of NLTK's data states; it has no name.
    "masc": "free for linguistic education, research and development, commercial included",
    "gsm8k": "MIT",
}
# Whole documents that nothing is trained on, to choose by.
_HELD_OUT_BOOK: Final = "chesterton-brown.txt"
_HELD_OUT_MASC: Final = 12


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts, the source of each, and whether its document is held out."""

    texts: list[str]
    sources: list[str]
    held_out: list[bool]


_Told = Iterator[tuple[str, bool]]


def read_passages(folder: Path, seed: int) -> Passages:
    """All passages of the folder's sources, each once, in an order that the seed gives."""
    rng = np.random.default_rng(seed)
    found: dict[str, tuple[str, bool]] = {}
    for name, read in (
        ("wordnet", _wordnet),
        ("gutenberg", _gutenberg),
        ("commonvoice", _commonvoice),
        ("masc", _masc),
        ("gsm8k", _gsm8k),
    ):
        for text, is_held_out in read(folder / name, rng):
            found.setdefault(text, (name, is_held_out))
    texts = list(found)
    texts = [texts[at] for at in rng.permutation(len(texts)).tolist()]
    return Passages(texts, [found[text][0] for text in texts], [found[text][1] for text in texts])


@dataclass(frozen=True, slots=True)
class _Synset:
    lemmas: tuple[str, ...]
    gloss: str
    examples: tuple[str, ...]
    related: tuple[str, ...]


def _wordnet(folder: Path, rng: np.random.Generator) -> _Told:
    synsets: dict[str, _Synset] = {}
    for path in sorted(folder.glob("data.*")):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(" "):
                continue
            fields, _, meaning = line.partition(" | ")
            parts = fields.split()
            count = int(parts[3], 16)
            lemmas = tuple(parts[4 + 2 * at].replace("_", " ").split("(")[0] for at in range(count))
            begin = 4 + 2 * count
            pointers = int(parts[begin])
            related = tuple(parts[begin + 3 + 4 * at] + parts[begin + 2 + 4 * at] for at in range(pointers))
            examples = tuple(re.findall(r'"([^"]{12,})"', meaning))
            gloss = re.sub(r';?\s*"[^"]*"', "", meaning).strip(" ;")
            synsets[parts[2].replace("s", "a") + parts[0]] = _Synset(lemmas, gloss, examples, related)
    for synset in synsets.values():
        lemma = synset.lemmas[int(rng.integers(len(synset.lemmas)))]
        told = [one for one in synset.lemmas if " " in one]
        told.append(f"{lemma}: {synset.gloss}" if rng.random() < 0.5 else synset.gloss)
        told += synset.examples
        if rng.random() < 0.25:
            told.append(". ".join(_told(synset, synsets, rng)))
        yield from ((one, False) for one in told)


def _told(synset: _Synset, synsets: dict[str, _Synset], rng: np.random.Generator) -> list[str]:
    """Glosses and examples of a synset and of those that it points to, about the length of a description."""
    wanted = _wanted_words(rng)
    told = [synset.gloss, *synset.examples]
    others = [synsets[key] for key in synset.related if key in synsets]
    for at in rng.permutation(len(others)).tolist():
        if sum(len(one.split()) for one in told) >= wanted:
            break
        told += [others[at].gloss, *others[at].examples]
    rng.shuffle(told)
    return told


def _gutenberg(folder: Path, rng: np.random.Generator) -> _Told:
    for path in sorted(folder.glob("*.txt")):
        paragraphs = re.split(r"\n\s*\n", path.read_text("utf-8", errors="replace"))
        sentences = [
            sentence
            for paragraph in paragraphs
            if len(paragraph.split()) > 5
            for sentence in _SENTENCE_END.split(" ".join(paragraph.replace("_", "").split()))
        ]
        is_held_out = path.name == _HELD_OUT_BOOK
        yield from ((one, is_held_out) for one in _cut(sentences, rng, passes=2))


def _commonvoice(folder: Path, rng: np.random.Generator) -> _Told:
    sentences = [
        line.strip(' "\u2060')
        for path in sorted(folder.glob("*.txt"))
        for line in path.read_text("utf-8").splitlines()
        if len(line.split()) > 2
    ]
    rng.shuffle(sentences)
    yield from ((one, False) for one in sentences)
    rng.shuffle(sentences)
    yield from ((one, False) for one in _cut(sentences, rng, passes=1))


def _masc(folder: Path, rng: np.random.Generator) -> _Told:
    paths = sorted(folder.glob("*/*.txt"), key=lambda path: f"{path.parent.name}-{path.name}")
    for number, path in enumerate(paths):
        lines = map(_untagged, path.read_text("utf-8", errors="ignore").splitlines())
        sentences = [one for one in lines if len(one.split()) > 2]
        is_held_out = number % _HELD_OUT_MASC == 0
        yield from ((one, is_held_out) for one in _cut(sentences, rng, passes=3))
        yield from ((one, is_held_out) for one in sentences)


def _untagged(line: str) -> str:
    """A sentence of MASC without its part-of-speech tags, and with punctuation where it belongs."""
    text = " ".join(word.rsplit("_", 1)[0] for word in line.split())
    text = re.sub(r" ([.,;:!?%)\]'])", r"\1", text)
    return re.sub(r"([(\[$]) ", r"\1", text).replace(" n't", "n't")


def _gsm8k(folder: Path, rng: np.random.Generator) -> _Told:
    for line in (folder / "train.jsonl").read_text("utf-8").splitlines():
        yield str(json.loads(line)["question"]), False


def _cut(sentences: Sequence[str], rng: np.random.Generator, passes: int) -> Iterator[str]:
    """Runs of sentences of random lengths that cover the text, several times over with other borders."""
    for _ in range(passes):
        passage: list[str] = []
        wanted = _wanted_words(rng)
        for sentence in sentences:
            passage += sentence.split()[:_MAX_WORDS]
            if len(passage) >= wanted:
                yield " ".join(passage[:_MAX_WORDS])
                passage, wanted = [], _wanted_words(rng)
        if len(passage) > 5:
            yield " ".join(passage[:_MAX_WORDS])


def _wanted_words(rng: np.random.Generator) -> float:
    return float(np.clip(_MEDIAN_WORDS * rng.lognormal(0.0, 0.7), 8, 180))
