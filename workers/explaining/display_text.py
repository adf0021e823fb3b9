"""Titles and attributes made fit to be shown within a sentence: one line of plain, short text.

They come from anybody. What is shown may stand in a web page, a chat or a terminal, so nothing may be left
that one of these would act upon.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from models.preprocessing.text import clean_text

# A client may make a link of it, and it says nothing about an item.
_ADDRESS: Final = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,15}://|\bwww\.|\b(?:javascript|data|mailto):)\S*", re.I
)
# Markdown's code, images and links.
_MARKDOWN: Final = re.compile(r"`+|!?\[([^\[\]]*)\]\([^()]*\)")
_ANGLE_BRACKETS: Final = str.maketrans("<>", "‹›")
_MAX_COMBINING_MARKS: Final = 3
# Unassigned and private characters show as boxes; joiners, which are format characters, stay.
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cn", "Co", "Cs"})
_JOINERS: Final = "\u200c\u200d"
# They stand for what is not there.
_REPLACEMENTS: Final = "\ufffc\ufffd"
_MOST_PASSES: Final = 4
ELLIPSIS: Final = "…"


def display_text(raw: str, max_characters: int) -> str:
    """Plain text for a sentence; quotation marks stay. Empty where nothing is left. Never raises.

    Removed: markup, addresses, control, bidirectional and other invisible characters, piles of marks. Angle
    brackets that are left become ‹ and ›.

    Args:
        raw: What a publisher sent.
        max_characters: Of the result at most; a longer one is cut, and ends with an ellipsis.
    """
    room = max_characters * 4 + 200
    text = raw
    for _ in range(_MOST_PASSES):
        before = text
        text = _ADDRESS.sub(" ", _MARKDOWN.sub(r"\1", clean_text(text, room, "NFC")))
        if text == before:
            break
    else:
        # Entities within entities, deeper than anybody writes by mistake: none may come out as a tag.
        text = _ADDRESS.sub(" ", clean_text(text.replace("&", " "), room, "NFC"))
    return shortened(" ".join(_visible(text.translate(_ANGLE_BRACKETS)).split()), max_characters)


def shortened(text: str, max_characters: int) -> str:
    """The text, or its beginning with an ellipsis; between words where that loses little."""
    if len(text) <= max_characters:
        return text
    cut = text[: max(0, max_characters - 1)]
    space = cut.rfind(" ")
    if space > len(cut) * 2 // 3:
        cut = cut[:space]
    return cut.rstrip(" ,;:-–—" + _JOINERS) + ELLIPSIS


def _visible(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    # A mark without a letter of its own would stand over what encloses the text.
    marks = _MAX_COMBINING_MARKS
    for character in text:
        category = unicodedata.category(character)
        if category in _HIDDEN_CATEGORIES or character in _REPLACEMENTS:
            continue
        if category == "Cf" and character not in _JOINERS:
            continue
        if category in ("Mn", "Me"):
            marks += 1
        else:
            marks = _MAX_COMBINING_MARKS if category == "Zs" else 0
        if marks <= _MAX_COMBINING_MARKS:
            kept.append(character)
    return "".join(kept)
