"""Messages about models: bundles, wishes, pointers and refusals, of fusions and of user models."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streams.fields import Detail, Message, ModelKey, ModelPart, Sha256, SpaceName, Uri, UtcTime


class ModelBundle(Message, frozen=True, kw_only=True, omit_defaults=True, tag="bundle"):
    """A bundle of models announced to every worker, with the vector space that it makes.

    A version does not change: another bundle is another version.
    """

    name: ModelPart
    version: ModelPart
    uri: Uri
    sha256: Sha256
    space: SpaceName
    dimension: Annotated[int, Meta(ge=1, le=65_536)]
    announced_at: UtcTime


class WantedModel(Message, frozen=True, kw_only=True, omit_defaults=True, tag="wanted"):
    """Which bundle shall serve. Workers get ready for it, and then the pointer moves.

    The name `settings` with the version `start` is what the workers' settings say.
    """

    name: ModelPart
    version: ModelPart
    requested_at: UtcTime


class ActiveModel(Message, frozen=True, kw_only=True, omit_defaults=True, tag="active"):
    """The one record that says which bundle serves, with all that a worker needs to load it.

    ``uri`` and ``sha256`` are left out where it is what the settings say.
    """

    name: ModelPart
    version: ModelPart
    space: SpaceName
    dimension: Annotated[int, Meta(ge=1, le=65_536)]
    activated_at: UtcTime
    uri: Uri | None = None
    sha256: Sha256 | None = None
    previous: ModelKey | None = None


class RefusedModel(Message, frozen=True, kw_only=True, omit_defaults=True, tag="refused"):
    """A bundle that a worker must not use, and why. It holds for the bundle with this hash."""

    name: ModelPart
    version: ModelPart
    sha256: Sha256
    reason: Detail
    role: str
    refused_at: UtcTime


class UserModelBundle(Message, frozen=True, kw_only=True, omit_defaults=True, tag="user_bundle"):
    """A user model announced to every worker, with the vector space of items that it reads.

    Names are shared with fusions, and a version does not change.
    """

    name: ModelPart
    version: ModelPart
    uri: Uri
    sha256: Sha256
    space: SpaceName
    dimension: Annotated[int, Meta(ge=1, le=65_536)]
    announced_at: UtcTime


class WantedUserModel(Message, frozen=True, kw_only=True, omit_defaults=True, tag="user_wanted"):
    """Which user model lists of a vector space shall be made with.

    The name `settings` with the version `start` is what the workers' settings say: theirs, or none.
    """

    name: ModelPart
    version: ModelPart
    space: SpaceName
    requested_at: UtcTime


class ActiveUserModel(Message, frozen=True, kw_only=True, omit_defaults=True, tag="user_active"):
    """The one record of a vector space that says which user model its lists are made with.

    ``uri`` and ``sha256`` are left out where it is what the settings say.
    """

    name: ModelPart
    version: ModelPart
    space: SpaceName
    dimension: Annotated[int, Meta(ge=1, le=65_536)]
    activated_at: UtcTime
    uri: Uri | None = None
    sha256: Sha256 | None = None
    previous: ModelKey | None = None


ModelMessage = (
    ModelBundle
    | ActiveModel
    | WantedModel
    | RefusedModel
    | UserModelBundle
    | ActiveUserModel
    | WantedUserModel
)
"""All that stands in the topic `models`."""
