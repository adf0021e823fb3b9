"""The key of ids that are hashed before Freshet sees them, from a file that publishers and operators have."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from streams.errors import ConfigurationError

# A shorter one can be found by trying, with one hash and the id that it is of.
MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 4_096


def read_hash_key(path: Path) -> SecretStr:
    """The file's text without the white space around it, for `person_hash`.

    Raises:
        ConfigurationError: It cannot be read, is no text in UTF-8, or too short to be a key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_BYTES + 1)
        key = text.decode().strip()
    except OSError as error:
        raise ConfigurationError(f"the hash key file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the hash key file {path} is not text in UTF-8") from None
    if len(text) > MAX_KEY_BYTES or len(key.encode()) < MIN_KEY_BYTES:
        raise ConfigurationError(
            f"the hash key file {path} must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes: make one with "
            "`openssl rand -hex 32`"
        )
    return SecretStr(key)
