"""Where a person's profile is kept. Its transitions are in `models.profile.transition`."""

from __future__ import annotations

from models.profile import Profile, decode_profile, new_profile
from workers.state.store import VERSION_BYTES


def profile_key(user_id: str) -> str:
    """The key of a person's profile."""
    return f"profile:{user_id}"


def stored_profile(user_id: str, value: bytes | None) -> Profile:
    """The profile behind `profile_key`; a stranger's where there is none."""
    return new_profile(user_id) if value is None else decode_profile(value[VERSION_BYTES:])


def stored_version(value: bytes | None) -> int:
    """The version of the profile behind `profile_key`, without reading the rest; 0 where there is none."""
    return 0 if value is None else int.from_bytes(value[:VERSION_BYTES], "big")
