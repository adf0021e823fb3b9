"""What is shown: numbers, ids and titles, and nothing that steers a terminal."""

from __future__ import annotations

import pytest

from workers.cli.output import console, plain, table


def test_text_of_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2Jgone\x07 [bold]kept[/bold] ‮ ü"
    console().print(table(("id",), [(hostile,)]))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "‮" not in shown
    assert "[bold]kept[/bold]" in shown
    assert "ü" in shown
    assert plain("two\nlines") == "two\nlines"


def test_nothing_is_cut_off_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(table(("id", "n"), [("x" * 200, 1.5)]))
    assert "x" * 200 in capsys.readouterr().out
