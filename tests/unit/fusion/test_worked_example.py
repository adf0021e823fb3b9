"""The worked example of the guide runs, and says what it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from models.errors import DimensionError
from models.fusion import bilinear_score

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "fusion.md"


def example() -> tuple[str, str]:
    text = GUIDE.read_text(encoding="utf-8")
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.DOTALL)
    return code, printed


def test_the_example_prints_what_the_guide_says() -> None:
    code, expected = example()
    names: dict[str, np.ndarray] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(GUIDE), "exec"), names)
    assert printed.getvalue() == expected
    assert (names["u"].shape, names["w1"].shape, names["both"].shape) == ((3,), (3, 5), (5,))


def test_shapes_that_do_not_chain_are_refused() -> None:
    names: dict[str, np.ndarray] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(example()[0], str(GUIDE), "exec"), names)
    with pytest.raises(DimensionError, match=r"u \[3\], W₁ \[5, 3\]"):
        bilinear_score(names["u"], names["w1"].T, names["both"], 0.5)
