"""Where data are kept unless told: also of a user who has no home."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.data_folder import default_data_folder


def test_the_standard_variable_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_folder() == Path("/data/freshet")


def test_else_it_is_under_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/anna")
    assert default_data_folder() == Path("/home/anna/.local/share/freshet")


def test_a_user_without_a_home_has_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    # As for a number that no entry of the system's users has.
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert default_data_folder() == Path("/var/lib/freshet")
