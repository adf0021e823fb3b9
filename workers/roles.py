"""The names of the roles, in the order in which an item's data flows through them."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["text", "image", "audio", "video", "fuse", "profile", "recommend", "learn", "join"]
ROLES: tuple[Role, ...] = get_args(Role)
