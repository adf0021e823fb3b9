"""Passages of text that the text encoder is distilled on: read from tiny sources of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.text_passages import LICENCES, Passages, read_passages

BLIND_ALLEY = (
    "00039311 04 n 01 blind_alley 0 001 @ 00039000 n 0000 | (figurative) a course of action that is "
    'unproductive; "all the clues led the police into blind alleys"  \n'
)
PAGE = "He came in. " + "She looked at him for a long while and said nothing at all. " * 40


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    files = {
        "wordnet/data.noun": f"  1 a licence\n{BLIND_ALLEY}",
        "gutenberg/alice.txt": PAGE,
        "gutenberg/chesterton-brown.txt": PAGE.replace("She", "Flambeau"),
        "commonvoice/a.txt": "A bonny kettle of fish.\nToo short\n",
        "masc/spoken/b.txt": "I_PRP do_VBP n't_RB know_VB ,_, really_RB ._. \n" * 2,
        "masc/written/c.txt": "It_PRP costs_VBZ (_( about_IN )_) $_$ 5_CD ._. \n",
        "gsm8k/train.jsonl": '{"question": "Anna has three apples. How many?", "answer": "3"}\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def of_source(passages: Passages, name: str) -> list[str]:
    return [text for text, source in zip(passages.texts, passages.sources, strict=True) if source == name]


def test_each_source_is_read_and_has_a_licence(sources: Path) -> None:
    passages = read_passages(sources, seed=1)
    assert set(passages.sources) == set(LICENCES)
    assert len(passages.texts) == len(set(passages.texts)) == len(passages.held_out)
    assert {"blind alley", "all the clues led the police into blind alleys"} <= set(
        of_source(passages, "wordnet")
    )
    assert any("unproductive" in text for text in of_source(passages, "wordnet"))
    assert of_source(passages, "gsm8k") == ["Anna has three apples. How many?"]
    assert "Too short" not in passages.texts


def test_tags_are_taken_off_and_punctuation_joins_its_word(sources: Path) -> None:
    told = of_source(read_passages(sources, seed=1), "masc")
    assert "I don't know, really." in told
    assert "It costs (about) $5." in told


def test_passages_of_a_book_are_no_longer_than_descriptions(sources: Path) -> None:
    told = of_source(read_passages(sources, seed=1), "gutenberg")
    assert len(told) > 2
    assert all(3 <= len(text.split()) <= 220 for text in told)


def test_whole_documents_are_held_out(sources: Path) -> None:
    passages = read_passages(sources, seed=1)
    for text, source, is_held_out in zip(passages.texts, passages.sources, passages.held_out, strict=True):
        if source == "gutenberg":
            assert is_held_out == ("Flambeau" in text)
    assert any(passages.held_out)


def test_a_seed_gives_the_same_passages(sources: Path) -> None:
    assert read_passages(sources, seed=3) == read_passages(sources, seed=3)
    assert read_passages(sources, seed=3).texts != read_passages(sources, seed=4).texts
