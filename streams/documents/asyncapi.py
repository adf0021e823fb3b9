"""The AsyncAPI 3.0 document, from Freshet's side: it receives items and events, and sends recommendations."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.documents.json_schemas import JsonObject, components, message_types, plain
from streams.examples import Example
from streams.fields import Message
from streams.settings import TopicSettings
from streams.topic_admin import partition_count, topic_config
from streams.topic_names import TopicNames
from streams.topics import TOPICS, Topic

CONTRACT_VERSION = "1.0.0"
_KAFKA_BINDING = "0.5.0"
_SPACE = "{space}"
_USER = "you"


def asyncapi_document() -> JsonObject:
    """The document, with default settings, as JSON-like data."""
    all_types = tuple(kind for topic in TOPICS for kind in message_types(topic))
    messages: JsonObject = {}
    for topic in TOPICS:
        messages |= _messages(topic)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Freshet",
            "version": CONTRACT_VERSION,
            "description": (
                "A streaming multimodal recommender on Kafka. Publish what there is to `items` and what "
                "people do to `events`; read lists from `recommendations`. Topics carry the prefix "
                "`freshet.` unless it is configured otherwise. Topics in MessagePack are internal."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka of your deployment.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(operation for topic in TOPICS for operation in _operations(topic)),
        "components": {
            "messages": messages,
            "schemas": components(all_types, "#/components/schemas/{name}"),
        },
    }


def _channel(topic: Topic[Any]) -> JsonObject:
    names = TopicNames()
    is_vectors = topic is topics.ITEM_VECTORS
    address = f"{names.prefix}{topic.name}" + (f".{_SPACE}" if is_vectors else "")
    settings = TopicSettings()
    binding: JsonObject = {
        "partitions": partition_count(topic, settings),
        "topicConfiguration": {
            key: _configuration_value(key, value) for key, value in topic_config(topic, settings).items()
        },
        "bindingVersion": _KAFKA_BINDING,
    }
    if not is_vectors:
        binding = {"topic": address, **binding}
    channel: JsonObject = {
        "address": address,
        "description": f"{topic.description} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(topic)},
        "bindings": {"kafka": binding},
    }
    if is_vectors:
        channel["parameters"] = {"space": {"description": "The id of the vector space."}}
    return channel


def _configuration_value(key: str, value: str) -> Any:
    if key == "cleanup.policy":
        return [value]
    return int(value) if value.isdigit() else value


def _operations(topic: Topic[Any]) -> list[tuple[str, JsonObject]]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    found = []
    if topic.written_by != (_USER,):
        found.append(("send", "Published by", topic.written_by))
    if topic.read_by != (_USER,):
        found.append(("receive", "Read by", topic.read_by))
    return [
        (
            f"{action}-{topic.name}",
            {"action": action, "channel": channel, "summary": f"{verb}: {', '.join(roles)}."},
        )
        for action, verb, roles in found
    ]


def _messages(topic: Topic[Any]) -> JsonObject:
    messages = {
        kind.__name__: {
            "name": kind.__name__,
            "summary": plain(kind.__doc__ or "").split(". ")[0].removesuffix(".") + ".",
            "contentType": "application/json" if topic.encoding == "json" else "application/msgpack",
            "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
            "bindings": _key_binding(topic),
            "examples": [
                {"name": example.name, "payload": example.value}
                for example in topic.examples
                if example.value is not None and _is_example_of(example, kind)
            ],
        }
        for kind in message_types(topic)
    }
    if topic.nullable:
        name = f"{topic.name.title().replace('-', '')}Null"
        messages[name] = {
            "name": name,
            "summary": "A null value: what the key names is withdrawn.",
            "payload": {"type": "null"},
            "bindings": _key_binding(topic),
        }
    return messages


def _is_example_of(example: Example, kind: type[Message]) -> bool:
    tag = kind.__struct_config__.tag
    return tag is None or (example.value is not None and example.value.get("type") == tag)


def _key_binding(topic: Topic[Any]) -> JsonObject:
    return {
        "kafka": {
            "key": {"type": "string", "description": topic.key},
            "bindingVersion": _KAFKA_BINDING,
        }
    }
