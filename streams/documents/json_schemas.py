"""JSON Schema of the messages."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args

import msgspec

from streams.field_descriptions import FIELD_DESCRIPTIONS
from streams.fields import Message
from streams.topics import TOPICS, Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JsonObject = dict[str, Any]


def message_types(topic: Topic[Any]) -> tuple[type[Message], ...]:
    """The message types that a topic carries."""
    value_type = topic.value_type
    return get_args(value_type) if isinstance(value_type, UnionType) else (value_type,)


def components(types: tuple[type[Message], ...], ref_template: str) -> JsonObject:
    """Schemas by message name, those that they refer to included.

    Args:
        types: Message types.
        ref_template: Where a reference points, with ``{name}`` in it.
    """
    _, found = msgspec.json.schema_components(types, ref_template=ref_template)
    return {name: _readable(name, found[name]) for name in sorted(found)}


def json_schema(message_type: type[Message]) -> JsonObject:
    """A document of its own for one message type, in dialect 2020-12."""
    definitions = components((message_type,), "#/$defs/{name}")
    own = definitions.pop(message_type.__name__)
    return {"$schema": DIALECT, **own, **({"$defs": definitions} if definitions else {})}


def public_types() -> tuple[type[Message], ...]:
    """The message types of all JSON topics, in the order of the topics."""
    return tuple(kind for topic in TOPICS if topic.encoding == "json" for kind in message_types(topic))


def plain(docstring: str) -> str:
    """A docstring as Markdown of one paragraph a line."""
    return " ".join(docstring.replace("``", "`").split())


def _readable(name: str, schema: JsonObject) -> JsonObject:
    schema = dict(schema)
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    described = FIELD_DESCRIPTIONS.get(name, {})
    schema["properties"] = {
        field: {**value, "description": described[field]} if field in described else value
        for field, value in schema.get("properties", {}).items()
    }
    return schema
