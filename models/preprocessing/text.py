"""Text of items, cleaned the same way whatever its language."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final, Literal

# Control characters but white space, lone surrogates, and what is invisible and changes how or in which
# order text is shown: bidi marks, embeddings, overrides and isolates, soft hyphens, word joiners and
# invisible operators, byte order marks, annotation anchors, tags. Joiners (U+200C, U+200D) stay: Persian,
# the scripts of India and emoji need them.
_REMOVED: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]"
)
# U+200B marks where words end in scripts that write no spaces.
_WHITE_SPACE: Final = re.compile("[\\s\u200b]+")
_MARKUP: Final = re.compile("[<&]")
_DROPPED_ELEMENTS: Final = frozenset({"script", "style", "template", "noscript", "head", "svg", "math"})
_CDATA_MARKS: Final = ("<![CDATA[", "]]>")
# Elements inside a word or a sentence; every other tag ends a word.
_INLINE_ELEMENTS: Final = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font"}
    | {"i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time"}
    | {"tt", "u", "var", "wbr"}
)
# Unicode Standard Annex 15, Stream-Safe Text Format: no more than 30 combining marks in a row. Longer runs
# carry no meaning, and sorting them takes quadratic time.
_MAX_COMBINING_MARKS: Final = 30
# How much of the raw text is read at most, in multiples of what is asked for: markup may be most of it.
_RAW_FACTOR: Final = 8
_RAW_MINIMUM: Final = 4_096
# Tags, comment marks and declarations. Written by hand because `html.parser` takes quadratic time on markup
# that is never closed (half a minute for 200 kB). No part reads past the next bracket, so this is linear.
_HTML_TOKEN: Final = re.compile(
    r"""<!--|-->|<!\[CDATA\[|\]\]>
    |</?(?P<name>[a-zA-Z][a-zA-Z0-9:-]*+)(?:(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>)
    |<[!?/][a-zA-Z\[][^<>]*+>""",
    re.VERBOSE,
)


def clean_text(raw: str, max_characters: int, form: Literal["NFC", "NFKC"] = "NFKC") -> str:
    """Plain text on one line: no HTML, no control characters, Unicode normal form NFKC.

    Args:
        raw: text as a publisher sent it, with or without HTML and entities, in any language.
        max_characters: length of the result at most, in code points.
        form: NFKC for models, to which `，` and `,` are one; NFC for people, to whom they are not.

    Returns:
        The text; empty where nothing is left. Never raises.
    """
    text = raw[: max(_RAW_MINIMUM, max_characters * _RAW_FACTOR)]
    if _MARKUP.search(text):
        text = _without_html(text)
    text = _REMOVED.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize(form, _stream_safe(text))
        # A compatibility form may decompose into a space; nothing may decompose into a removed character, but
        # that is for a test to say and not for a reader to know.
        text = _REMOVED.sub("", text)
    text = _WHITE_SPACE.sub(" ", text).strip()
    return text[:max_characters].rstrip()


def item_text(title: str | None, description: str | None, max_characters: int = 20_000) -> str:
    """The text of an item, as text encoders read it: the title, then the description.

    Args:
        title: may be missing or empty.
        description: may be missing or empty.
        max_characters: length of the result at most, in code points.

    Returns:
        Clean text (see :func:`clean_text`), empty where the item has none.
    """
    parts = [clean_text(part, max_characters) for part in (title, description) if part]
    return ". ".join(part for part in parts if part)[:max_characters].rstrip()


def _without_html(text: str) -> str:
    """Character data with entities decoded; a space where a block ends. Linear in the length of the text."""
    kept: list[str] = []
    position = 0
    within: str | None = None  # the element or comment being dropped
    for token in _HTML_TOKEN.finditer(text):
        if within is None:
            kept.append(text[position : token.start()])
        position = token.end()
        name = (token["name"] or "").lower()
        is_end = text.startswith("</", token.start())
        if within is not None:
            if token[0] == "-->" if within == "<!--" else is_end and name == within:
                within = None
        elif token[0] == "<!--" or (name in _DROPPED_ELEMENTS and not is_end):
            within = name or "<!--"
        elif token[0] == "-->":
            kept.append(token[0])
        elif name not in _INLINE_ELEMENTS and token[0] not in _CDATA_MARKS:
            kept.append(" ")
    if within is None:
        kept.append(text[position:])
    return html.unescape("".join(kept))


def _stream_safe(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MAX_COMBINING_MARKS:
            kept.append(character)
    return "".join(kept)
