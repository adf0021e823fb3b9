"""The page of settings in the guide says what the code says."""

from __future__ import annotations

from pathlib import Path

from streams.settings_document import document

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), (
        "run `python -m streams.settings_document docs/guide/settings.md`"
    )


def test_secrets_that_are_set_are_not_on_it() -> None:
    assert "password` | none" in document()
