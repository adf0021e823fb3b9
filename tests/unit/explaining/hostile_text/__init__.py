"""Texts that publishers of items might send to do harm: instructions, markup, unseen characters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class HostileText(NamedTuple):
    """A text; ``kind`` is injection, markup or characters."""

    name: str
    kind: str
    text: str


HOSTILE_TEXTS = tuple(
    HostileText(one["name"], one["kind"], one["text"])
    for one in json.loads(Path(__file__).with_name("corpus.json").read_text(encoding="utf-8"))
)
