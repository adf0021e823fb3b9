"""Real English sentences that every training machine has: docstrings of Python and of permissive packages.

Python's standard library (PSF-2.0), NumPy, SciPy, scikit-learn (BSD-3-Clause). Only the teacher's vectors of
them are used; no sentence ends up in the encoder.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

LICENCES = "PSF-2.0 (Python), BSD-3-Clause (NumPy, SciPy, scikit-learn)"

_PACKAGES = ("numpy", "scipy", "sklearn")
_LEFT_OUT = {"test", "tests", "site-packages", "idlelib", "lib2to3"}
_FEWEST, _MOST, _LEAST_LETTERS = 5, 60, 0.93


def prose_sentences() -> list[str]:
    """Sentences of 5 to 60 words that are nearly all letters, each once, sorted."""
    roots = [Path(sysconfig.get_path("stdlib"))]
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec and spec.origin:
            roots.append(Path(spec.origin).parent)
    return sorted({sentence for root in roots for text in _docstrings(root) for sentence in _prose(text)})


def _docstrings(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.py")):
        if _LEFT_OUT & set(path.relative_to(root).parts):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield text


def _prose(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        if ">>>" in paragraph:
            continue
        for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
            plain = sum(character.isalpha() or character == " " for character in sentence)
            if _FEWEST <= len(sentence.split()) <= _MOST and plain > _LEAST_LETTERS * len(sentence):
                yield sentence
