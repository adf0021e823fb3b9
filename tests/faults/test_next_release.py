"""What one release writes, the next and the last can read: each struct that is written down may grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.next_release import VALUE, VERSION, make_next_release, with_further_fields
from tests.faults.slot import REPOSITORY, release_environment
from tests.faults.stored_samples import as_text, from_text, read_again, samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("next")
    changed = make_next_release(REPOSITORY, folder)
    assert {
        "streams/messages.py:Recommendation",
        "streams/internal_messages.py:ItemVersion",
        "models/profile/state.py:Profile",
        "workers/state/item.py:ItemState",
        "workers/state/exposures.py:Exposures",
        "workers/profiles_to_weights.py:WriterState",
    } <= set(changed)
    return folder


def python(folder: Path, *arguments: str, given: str = "") -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **release_environment(folder)},
        input=given,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_copy_is_a_newer_release(folder: Path) -> None:
    what = "import importlib.metadata as m, workers; print(m.version('freshet'), workers.__file__)"
    assert python(folder, "-c", what).split() == [VERSION, str(folder / "workers" / "__init__.py")]


def test_this_release_reads_what_the_next_one_writes(folder: Path) -> None:
    theirs = from_text(python(folder, "-m", "tests.faults.stored_samples"))
    own = {name: sample.written for name, sample in samples().items()}
    assert [name for name, value in theirs.items() if VALUE.encode() not in value] == []
    assert read_again(theirs) == own


def test_the_next_release_reads_what_this_one_writes(folder: Path) -> None:
    own = {name: sample.written for name, sample in samples().items()}
    read = from_text(python(folder, "-m", "tests.faults.stored_samples", "--read", given=as_text(own)))
    assert read == from_text(python(folder, "-m", "tests.faults.stored_samples"))


def test_a_field_is_the_last_of_its_struct() -> None:
    source = '''from __future__ import annotations


class Kept(msgspec.Struct, array_like=True):
    """Kept."""

    one: int
    two: int = 2

    @property
    def three(self) -> int:
        return 3


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    one: int


class Other(Kept):
    """Has it from there."""


class Empty(msgspec.Struct):
    """It has none yet."""
'''
    changed, names = with_further_fields(source)
    assert names == ["Kept", "Empty"]
    lines = changed.splitlines()
    assert lines[lines.index("    two: int = 2") + 1].startswith("    of_the_next_release: str")
    assert lines[-1].startswith("    of_the_next_release: str")
    assert len(lines) == len(source.splitlines()) + 4
