"""The types that message fields share, with their bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=256)]
ActionName = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(max_length=4_096)]
Description = Annotated[str, Meta(max_length=262_144)]
Uri = Annotated[str, Meta(min_length=1, max_length=8_192)]
MediaType = Annotated[str, Meta(min_length=1, max_length=256)]
Detail = Annotated[str, Meta(max_length=4_096)]
UtcTime = Annotated[datetime, Meta(tz=True)]
EncoderName = Annotated[str, Meta(min_length=1, max_length=128)]
Modality = Literal["text", "image", "audio", "video"]
MediaKind = Literal["image", "audio", "video"]
AttributeName = Annotated[str, Meta(min_length=1, max_length=256)]
AttributeText = Annotated[str, Meta(max_length=8_192)]
AttributeValue = (
    bool
    | int
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
        msgspec.ValidationError: A field is of the wrong type or out of its bounds.
    """

    _field_types: ClassVar[dict[type, Any]] = {}

    def __post_init__(self) -> None:
        names = self.__struct_fields__
        values = tuple(getattr(self, name) for name in names)
        try:
            msgspec.convert(values, _tuple_type(type(self)))
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(_with_field_name(str(error), names)) from None
        for name, value in zip(names, values, strict=True):
            if isinstance(value, datetime) and value.tzinfo is not UTC:
                msgspec.structs.force_setattr(self, name, value.astimezone(UTC))
        self.check()

    def check(self) -> None:
        """What types cannot say; overridden where a message has such a rule.

        Raises:
            ValueError: The rule does not hold; decoding turns it into a ValidationError.
        """


def _tuple_type(message_type: type[Message]) -> Any:
    cached = Message._field_types.get(message_type)
    if cached is None:
        hints = get_type_hints(message_type, include_extras=True)
        cached = tuple[tuple(hints[name] for name in message_type.__struct_fields__)]  # type: ignore[misc]
        Message._field_types[message_type] = cached
    return cached


def _with_field_name(text: str, names: tuple[str, ...]) -> str:
    """Turn msgspec's tuple position (`$[2]`) into the field's name (`$.title`)."""
    head, separator, tail = text.partition("`$[")
    if not separator:
        return text
    position, _, rest = tail.partition("]")
    return f"{head}`$.{names[int(position)]}{rest}" if position.isdigit() else text
