"""Does a text say what it does not want? Told by its words alone, in English, German and Chinese."""

from __future__ import annotations

import re
from typing import Final

_NEGATION: Final = re.compile(
    r"\b(?:no|not|without|never|neither|nor|none|nothing|except|excluding|avoid|avoiding|cannot|\w+n['’]t"
    r"|nicht|kein(?:e|en|em|er|es)?|ohne|nie|niemals|weder|außer|nichts)\b"
    r"|不|没有|沒有|别|無|无|除了|非",
    re.IGNORECASE,
)


def has_negation(text: str) -> bool:
    """Whether the text holds a word that negates."""
    return _NEGATION.search(text) is not None
