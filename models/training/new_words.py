"""Words that a vocabulary knows by their pieces alone, and a tokenizer that knows them whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece

from models.errors import TrainingError
from models.training.word_rows import Floats


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word, how often it was met, and the tokens that it has been until now."""

    word: str
    count: int
    pieces: tuple[int, ...]


def require_word_pieces(tokenizer: Tokenizer, where: str) -> None:
    """Raises TrainingError where a tokenizer is no WordPiece one: how it parts words is not known here."""
    if not isinstance(tokenizer.model, WordPiece):
        raise TrainingError(f"{where} is no WordPiece tokenizer: words cannot be added to it.")


def split_words(tokenizer: Tokenizer, texts: Iterable[str], most: int, least_count: int) -> list[NewWord]:
    """The most frequent words that are in several pieces, the most frequent first.

    Args:
        tokenizer: A WordPiece one.
        texts: As an encoder would get them.
        most: How many words at most.
        least_count: How often a word has to be met.
    """
    continues: str = tokenizer.model.continuing_subword_prefix
    ids = tokenizer.get_vocab()
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        word: list[str] = []
        for token in tokenizer.encode(text, add_special_tokens=False).tokens:
            if token.startswith(continues):
                word.append(token)
                continue
            if len(word) > 1:
                counts[tuple(word)] += 1
            word = [token]
        if len(word) > 1:
            counts[tuple(word)] += 1
    found = [
        NewWord(_whole(pieces, continues), count, tuple(ids[piece] for piece in pieces))
        for pieces, count in counts.items()
        if count >= least_count
    ]
    # What is no word, such as a long number, is left in its pieces. A word that is a token already is met in
    # pieces where something clings to it, such as an underscore.
    found = [one for one in found if one.word not in ids and any(map(str.isalpha, one.word))]
    return sorted(found, key=lambda one: (-one.count, one.word))[:most]


def with_words(tokenizer: Tokenizer, words: Sequence[NewWord]) -> Tokenizer:
    """A tokenizer to which these are one token each, with ids after those before; all else is as it was.

    They are matched as whole words only: as entries of the vocabulary they would also begin other words,
    which would then fall into other pieces than those that their vectors were learned for.
    """
    grown = Tokenizer.from_str(tokenizer.to_str())
    grown.add_tokens([AddedToken(one.word, single_word=True, normalized=True) for one in words])
    return grown


def with_rows_of(table: Floats, words: Sequence[NewWord]) -> Floats:
    """The table [vocabulary, d], and below it a row a word: the sum of its pieces, as a text is of tokens."""
    rows = [table[list(one.pieces)].sum(axis=0) for one in words]
    return np.concatenate([table, np.asarray(rows, np.float32).reshape(-1, table.shape[1])])


def _whole(pieces: Sequence[str], continues: str) -> str:
    return pieces[0] + "".join(piece.removeprefix(continues) for piece in pieces[1:])
