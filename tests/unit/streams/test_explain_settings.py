"""Settings of explanations: what cannot work is said at once."""

from __future__ import annotations

from typing import Any

import pytest

from streams.errors import ConfigurationError
from streams.settings import load_settings


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("language_model", {"base_url": "ftp://models", "model": "m"}, "http"),
        ("language_model", {"base_url": "http://127.0.0.1:1/v1"}, "set both"),
        ("language_model", {"model": "m"}, "set both"),
        ("language_model", {"personal_fields": ["events"]}, "personal_fields"),
        ("refine", {"enabled": True, "items": 40}, "language_model.max_tokens is 200"),
        ("explain", {"language": "tlh"}, "explain.language"),
        ("explain", {"max_characters": 10}, "explain.max_characters"),
    ],
)
def test_what_cannot_work_is_named(section: str, values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings(**{section: values})


def test_nothing_leaves_the_machine_by_default() -> None:
    settings = load_settings()
    assert settings.explain.generator == "template"
    assert settings.language_model.base_url is None
    assert settings.language_model.personal_fields == ("past_items",)


def test_an_order_of_the_default_length_fits_the_default_answer() -> None:
    settings = load_settings(refine={"enabled": True})
    assert settings.refine.answer_tokens <= settings.language_model.max_tokens
    assert load_settings(refine={"enabled": True, "items": 50}, language_model={"max_tokens": 300})


def test_the_key_of_the_endpoint_is_not_shown() -> None:
    assert "s3cret" not in repr(load_settings(language_model={"api_key": "s3cret"}))
