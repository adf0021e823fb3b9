"""The languages of the templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.explaining.languages.chinese import CHINESE
from workers.explaining.languages.english import ENGLISH
from workers.explaining.languages.german import GERMAN
from workers.explaining.phrases import Phrases

PHRASES: Final[Mapping[str, Phrases]] = {one.language: one for one in (ENGLISH, GERMAN, CHINESE)}

__all__ = ["PHRASES"]
