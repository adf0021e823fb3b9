"""What is shown of publishers' texts: nothing that a page, a chat or a terminal would act upon."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.explaining.hostile_text import HOSTILE_TEXTS, HostileText
from workers.explaining.display_text import display_text, shortened

JOINERS = "\u200c\u200d"
ADDRESS = re.compile(r"://|\bwww\.|javascript:|data:", re.I)


def assert_harmless(text: str, max_characters: int) -> None:
    assert len(text) <= max_characters
    assert "<" not in text
    assert ">" not in text
    assert not ADDRESS.search(text)
    for character in text:
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cn", "Co", "Cs", "Zl", "Zp"), hex(ord(character))
        assert category != "Cf" or character in JOINERS, hex(ord(character))
    assert text == " ".join(text.split())


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS, ids=lambda one: one.name)
@pytest.mark.parametrize("max_characters", [8, 80, 4_096])
def test_hostile_texts_come_out_harmless(hostile: HostileText, max_characters: int) -> None:
    assert_harmless(display_text(hostile.text, max_characters), max_characters)


@given(st.text(st.characters(codec=None), max_size=300), st.integers(1, 100))
def test_any_text_comes_out_harmless(text: str, max_characters: int) -> None:
    assert_harmless(display_text(text, max_characters), max_characters)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Desk lamp, brass", "Desk lamp, brass"),
        ("O’Reilly's “Guide” to 'Go' \"now\"", "O’Reilly's “Guide” to 'Go' \"now\""),
        ("Tom & Jerry &amp; friends", "Tom & Jerry & friends"),
        ("1 < 2 > 0", "1 ‹ 2 › 0"),
        ("<b>Bold</b> <i>lamp</i>", "Bold lamp"),
        ("台灯，黄铜（大）", "台灯，黄铜（大）"),
        ("می‌خواهم", "می‌خواهم"),
        ("Family 👩‍👩‍👧‍👦", "Family 👩‍👩‍👧‍👦"),
        ("[Lamp](http://evil.example) `x`", "Lamp x"),
        ("Lamp \u202egnp.exe", "Lamp gnp.exe"),
        ("a\u0300\u0301\u0302\u0303\u0304b", unicodedata.normalize("NFC", "a\u0300") + "\u0301\u0302\u0303b"),
    ],
)
def test_what_is_meant_stays(raw: str, shown: str) -> None:
    assert display_text(raw, 80) == shown


def test_long_texts_end_between_words_where_that_loses_little() -> None:
    assert shortened("one two three four", 15) == "one two three…"
    assert shortened("a donaudampfschifffahrt", 10) == "a donauda…"
    assert shortened("short", 5) == "short"
