"""Words learned from their contexts: which are added, how they start, what turns them and what holds them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import BPE

from models.encoders.loading import BUNDLED_FOLDER
from models.errors import TrainingError
from models.sequence.negative_sampling import Floats, Ints
from models.sequence.skip_gram import Corpus, SkipGram
from models.training.new_words import NewWord, require_word_pieces, split_words, with_rows_of, with_words
from models.training.word_training import OwnWordsSettings, train_rows

# Rows: a known word of one kind and one of another, a new one, and forty words of each kind around them. The
# new word stands among words of the first kind, and begins in a direction of its own.
KNOWN, OTHER, NEW = 0, 1, 2
AROUND = 40
WORDS = 3 + 2 * AROUND
SETTINGS = OwnWordsSettings(epochs=10, pull_known=3_000.0, pull_new=3.0)


def made_up_texts(count: int, seed: int) -> list[Ints]:
    """Six words each: one of the three, among words of its kind."""
    random = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        centre = number % 3
        text = random.integers(3, 3 + AROUND, 6) + (AROUND if centre == OTHER else 0)
        text[3] = centre
        texts.append(text)
    return texts


TEXTS = made_up_texts(900, 1)
HELD_OUT = made_up_texts(200, 2)


def directions() -> Floats:
    """Known words of a kind are alike, as a distilled table has them."""
    random = np.random.default_rng(0)
    kind = np.r_[0, 1, 2, np.zeros(AROUND, int), np.ones(AROUND, int)]
    rows = random.standard_normal((3, 16))[kind] + random.standard_normal((WORDS, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def is_new() -> NDArray[np.bool_]:
    return np.arange(WORDS) == NEW


def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(BUNDLED_FOLDER / "text-distilled-128" / "tokenizer.json"))


def test_a_new_word_ends_near_the_known_one_that_has_its_contexts() -> None:
    start = directions()
    rows = train_rows(start, is_new(), TEXTS, HELD_OUT, SETTINGS, seed=1).rows
    before = start @ start[NEW]
    after = rows @ rows[NEW]
    assert before[KNOWN] < 0.1
    assert after[KNOWN] > 0.5 > after[OTHER] + 0.2
    # What was known was held.
    assert (rows * start).sum(axis=1)[~is_new()].min() > 0.9 > rows[NEW] @ start[NEW]


def test_contexts_are_told_better_than_before() -> None:
    found = train_rows(directions(), is_new(), TEXTS, HELD_OUT, SETTINGS, seed=1)
    assert found.context_loss < found.context_loss_before
    assert found.losses[-1] < found.losses[0]
    assert len(found.losses) == 10


def test_lengths_and_rows_of_words_that_were_not_met_stay() -> None:
    start = directions() * np.linspace(0.5, 2, WORDS, dtype=np.float32)[:, None]
    start[5] = 0  # punctuation
    met = [text for text in TEXTS if OTHER not in text]
    rows = train_rows(start, is_new(), met, met, SETTINGS, seed=1).rows
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(start, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(rows[OTHER], start[OTHER])
    np.testing.assert_array_equal(rows[5], start[5])
    assert not np.array_equal(rows[NEW], start[NEW])


def test_the_pull_says_how_far_a_word_goes() -> None:
    corpus, start = Corpus.of(TEXTS), directions()
    moved = []
    for pull in (1.0, 300.0, np.inf):
        model = SkipGram(start, is_new(), np.full(WORDS, pull, np.float32))
        model.fit(corpus, seed=0)
        moved.append(float(np.linalg.norm(model.directions - start)))
    assert moved[0] > moved[1] > moved[2] == 0


def test_new_words_do_not_teach_their_contexts() -> None:
    start = directions()
    model = SkipGram(start, np.ones(WORDS, np.bool_), np.zeros(WORDS, np.float32))
    losses = model.fit(Corpus.of(TEXTS), seed=0)
    # Nobody taught anything, so there was nothing to turn to.
    np.testing.assert_allclose(model.directions, start, atol=1e-6)
    np.testing.assert_allclose(losses, 6 * np.log(2), rtol=1e-3)


def test_windows_do_not_reach_into_the_next_text() -> None:
    alone = [np.array([word]) for word in range(WORDS)]
    corpus, start = Corpus.of(alone), directions()
    model = SkipGram(start, is_new(), np.zeros(WORDS, np.float32))
    model.fit(corpus, seed=0)
    np.testing.assert_array_equal(model.directions, start)
    assert np.isnan(model.loss(corpus, seed=0))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (
        train_rows(directions(), is_new(), TEXTS, HELD_OUT, SETTINGS, seed=seed).rows for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_texts_beyond_the_most_tokens_are_left_out() -> None:
    few = train_rows(directions(), is_new(), TEXTS, HELD_OUT, OwnWordsSettings(most_tokens=605), seed=1).rows
    alone = train_rows(directions(), is_new(), TEXTS[:100], TEXTS[:100], OwnWordsSettings(), seed=1).rows
    np.testing.assert_array_equal(few, alone)


def test_texts_without_a_known_word_are_refused() -> None:
    nothing = np.zeros((WORDS, 16), np.float32)
    with pytest.raises(TrainingError, match="nothing to learn from"):
        train_rows(nothing, is_new(), TEXTS, HELD_OUT, SETTINGS, seed=1)


def test_the_most_frequent_words_in_pieces_are_found() -> None:
    texts = ["A freshet, a Freshet; the zorblaxian freshet", "zorblaxian 1234567 1234567 river", "quibblet"]
    found = split_words(tokenizer(), texts, most=10, least_count=2)
    assert [(one.word, one.count) for one in found] == [("freshet", 3), ("zorblaxian", 2)]
    assert [tokenizer().id_to_token(piece) for piece in found[0].pieces] == ["fresh", "##et"]
    assert split_words(tokenizer(), texts, most=1, least_count=2) == found[:1]


def test_a_tokenizer_with_words_parts_all_else_as_before() -> None:
    old = tokenizer()
    new = with_words(old, [NewWord("freshet", 5, ())])
    text = "Freshets and FRESHET's river"
    assert new.encode(text, add_special_tokens=False).tokens == (
        ["fresh", "##ets", "and", "freshet", "'", "s", "river"]
    )
    assert new.token_to_id("freshet") == old.get_vocab_size()
    # A word that clings to something is in pieces still; it is not found again.
    assert split_words(new, ["freshet_a freshet_b"] * 5, most=10, least_count=1) == []


def test_a_word_starts_as_the_sum_of_its_pieces() -> None:
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    rows = with_rows_of(table, [NewWord("ab", 2, (1, 3))])
    np.testing.assert_array_equal(rows, np.concatenate([table, [table[1] + table[3]]]))
    np.testing.assert_array_equal(with_rows_of(table, []), table)


def test_another_kind_of_tokenizer_is_refused() -> None:
    with pytest.raises(TrainingError, match="no WordPiece tokenizer"):
        require_word_pieces(Tokenizer(BPE()), "tokenizer.json")
