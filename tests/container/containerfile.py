"""The image's container file, read far enough for tests: instructions, stages, what the last stage sets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "deploy" / "container"
CONTAINERFILE = FOLDER / "Containerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        stage: Number of the stage that it is in, from 0; −1 before the first.
        name: In capitals.
        text: What follows it, continued lines joined.
    """

    stage: int
    name: str
    text: str

    def words(self) -> list[str]:
        """Its words, of either form."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a container file, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stage = -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        stage += name.upper() == "FROM"
        yield Instruction(stage, name.upper(), rest.strip())


def shipped() -> list[Instruction]:
    """All instructions of the image's file."""
    return list(instructions(CONTAINERFILE.read_text(encoding="utf-8")))


def last_stage() -> list[Instruction]:
    """Those of what is shipped, not of what builds it."""
    every = shipped()
    return [one for one in every if one.stage == every[-1].stage]


def last(name: str) -> Instruction:
    """The instruction of this name that holds in the image."""
    return [one for one in last_stage() if one.name == name][-1]


def user_and_group() -> tuple[int, int]:
    """The numbers that the image runs as."""
    user, _, group = last("USER").text.partition(":")
    return int(user), int(group)


def environment() -> dict[str, str]:
    """The variables that the image sets."""
    pairs = (word.partition("=") for one in last_stage() if one.name == "ENV" for word in one.words())
    return {name: value for name, _, value in pairs}
