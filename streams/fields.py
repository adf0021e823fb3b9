"""The types that message fields share, with their bounds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

MAX_ID_CHARACTERS = 256

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
ActionName = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(max_length=4_096)]
Description = Annotated[str, Meta(max_length=262_144)]
Uri = Annotated[str, Meta(min_length=1, max_length=8_192)]
MediaType = Annotated[str, Meta(min_length=1, max_length=256)]
MAX_DETAIL_CHARACTERS = 4_096
Detail = Annotated[str, Meta(max_length=MAX_DETAIL_CHARACTERS)]
UtcTime = Annotated[datetime, Meta(tz=True)]
# Parts of the key `name@version`, and of file names.
ModelPart = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ModelKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SpaceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
EncoderName = Annotated[str, Meta(min_length=1, max_length=128)]
Modality = Literal["text", "image", "audio", "video"]
MediaKind = Literal["image", "audio", "video"]
AttributeName = Annotated[str, Meta(min_length=1, max_length=256)]
AttributeText = Annotated[str, Meta(max_length=8_192)]
# What fits MessagePack, NumPy and other languages' integers.
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
AttributeValue = (
    bool
    | Integer
    | float
    | AttributeText
    | Annotated[list[Annotated[str, Meta(max_length=1_024)]], Meta(max_length=1_024)]
)
Attributes = Annotated[dict[AttributeName, AttributeValue], Meta(max_length=256)]
Context = Annotated[dict[AttributeName, Any], Meta(max_length=256)]

MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every message: frozen, and valid from the moment that it is constructed.

    msgspec checks types and bounds when it decodes; constructing one in Python gets the same checks
    here. Times are brought to UTC.

    Raises:
        msgspec.ValidationError: A field is of the wrong type, out of its bounds, or against `check`.
    """

    def __post_init__(self) -> None:
        plan = _plan(type(self))
        try:
            msgspec.convert(plan.values_of(self), plan.positional_type)
            for name in plan.time_fields:
                value = getattr(self, name)
                if value is not None and value.tzinfo is not UTC:
                    msgspec.structs.force_setattr(self, name, value.astimezone(UTC))
            if plan.has_check:
                self.check()
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(_with_field_name(str(error), self.__struct_fields__)) from None
        except ValueError as error:
            raise msgspec.ValidationError(f"{type(self).__name__}: {error}") from None
        except ArithmeticError as error:  # a time outside the years 1 to 9999, a sum beyond float64
            raise msgspec.ValidationError(f"{type(self).__name__}: out of range: {error}") from None

    def check(self) -> None:
        """What types cannot say; overridden where a message has such a rule.

        Raises:
            ValueError: The rule does not hold; construction and decoding raise it as ValidationError.
        """


class _Plan(NamedTuple):
    """What `Message.__post_init__` needs to know of a message type."""

    values_of: Callable[[Any], Any]
    positional_type: type[msgspec.Struct]
    time_fields: tuple[str, ...]
    has_check: bool


@cache
def _plan(message_type: type[Message]) -> _Plan:
    names = message_type.__struct_fields__
    hints = get_type_hints(message_type, include_extras=True)
    getter = operator.attrgetter(*names)
    return _Plan(
        # attrgetter of a single name gives the bare value.
        values_of=getter if len(names) > 1 else lambda message: (getter(message),),
        # A struct, because msgspec compiles any other type afresh at each call.
        positional_type=msgspec.defstruct("Fields", [(name, hints[name]) for name in names], array_like=True),
        time_fields=tuple(name for name in names if hints[name] in (UtcTime, UtcTime | None)),
        has_check=message_type.check is not Message.check,
    )


def _with_field_name(text: str, names: tuple[str, ...]) -> str:
    """Turn msgspec's position (`$[2]`) into the field's name (`$.title`)."""
    head, separator, tail = text.partition("`$[")
    if not separator:
        return text
    position, _, rest = tail.partition("]")
    return f"{head}`$.{names[int(position)]}{rest}" if position.isdigit() else text
