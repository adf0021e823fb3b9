"""Keyed hashes of people's ids: for those who asked to be forgotten, and as pseudonyms for publishers."""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import msgspec
from pydantic import SecretStr

from streams.messages import Event, RecommendationRequest

_DIGEST_BYTES = 16

M = TypeVar("M", Event, RecommendationRequest)


def person_hash(user_id: str, key: SecretStr | str) -> str:
    """BLAKE2b of an id under a key, 32 hexadecimal digits.

    Nobody without the key can tell whose hash it is, or whether it is that of an id they know. With an empty
    key anybody who can guess ids can. Of two among a million ids the chance of one hash is 1e-27.

    Args:
        user_id: As the publisher knows the person.
        key: Any length; beyond 64 bytes it is hashed first.
    """
    secret = (key.get_secret_value() if isinstance(key, SecretStr) else key).encode()
    if len(secret) > blake2b.MAX_KEY_SIZE:
        secret = blake2b(secret).digest()
    return blake2b(
        user_id.encode("utf-8", "surrogatepass"), key=secret, digest_size=_DIGEST_BYTES
    ).hexdigest()


def with_hashed_id(message: M, key: SecretStr | str) -> M:
    """The message as it may be published where nobody is to be named: with `person_hash` as its user's id."""
    return msgspec.structs.replace(message, user_id=person_hash(message.user_id, key))
