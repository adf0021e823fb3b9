"""Commands that are given a person's real id, where topics have its keyed hash in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def hash_key_file_option(of: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option `--hash-key-file`; ``of`` says whose ids it makes hashes of."""
    return click.option(
        "--hash-key-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"{of} real, and published as a hash under the key in this file.",
    )


def id_in_topics(user_id: str, hash_key_file: Path | None) -> str:
    """What a person is called in topics and in Redis.

    Raises:
        ConfigurationError: See `read_hash_key`.
        InvalidError: The real id is empty or too long.
    """
    from streams.errors import InvalidError
    from streams.fields import MAX_ID_CHARACTERS
    from streams.hash_key_file import read_hash_key
    from streams.person_hash import person_hash

    if not 1 <= len(user_id) <= MAX_ID_CHARACTERS:
        raise InvalidError(f"a user id has 1 to {MAX_ID_CHARACTERS} characters")
    return user_id if hash_key_file is None else person_hash(user_id, read_hash_key(hash_key_file))
