"""The key of hashed ids is read from a file, and what cannot be one is refused without being shown."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.errors import ConfigurationError
from streams.hash_key_file import MAX_KEY_BYTES, read_hash_key
from streams.messages import RecommendationRequest
from streams.person_hash import person_hash, with_hashed_id
from workers.cli.hashed_ids import id_in_topics

KEY = "0123456789abcdef0123456789abcdef"


def test_white_space_around_the_key_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "ids.key"
    for text in (KEY, f"{KEY}\n", f" {KEY}\r\n"):
        file.write_bytes(text.encode())
        assert read_hash_key(file) == SecretStr(KEY)


def test_the_hash_is_what_any_language_makes_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ids.key"
    file.write_text(KEY + "\n")
    expected = hashlib.blake2b(b"anna@example.com", key=KEY.encode(), digest_size=16).hexdigest()
    assert id_in_topics("anna@example.com", file) == person_hash("anna@example.com", KEY) == expected
    assert id_in_topics("anna@example.com", None) == "anna@example.com"
    request = RecommendationRequest(request_id="r", user_id="anna@example.com", count=3)
    assert with_hashed_id(request, read_hash_key(file)) == RecommendationRequest(
        request_id="r", user_id=expected, count=3
    )


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"s3cret", b"s3cret" + bytes([0xFF]) * 40, b"x" * (MAX_KEY_BYTES + 1), None]
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ids.key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ids\.key") as caught:
        read_hash_key(file)
    assert "s3cret" not in str(caught.value)
