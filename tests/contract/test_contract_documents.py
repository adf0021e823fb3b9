"""The contract's documents are current, valid, and true to the codec."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from streams.codec import decode_record, encode, outgoing, withdrawn_id
from streams.contract_documents import FOLDER, documents, stale, write
from streams.documents.json_schemas import components, json_schema, message_types, public_types
from streams.errors import BadInputError
from streams.examples import Example
from streams.field_descriptions import FIELD_DESCRIPTIONS
from streams.fields import Message
from streams.records import Record
from streams.topics import TOPICS, Topic

ASYNCAPI_CHECK = Path(__file__).parent.parent / "asyncapi"
EXAMPLES = [
    pytest.param(topic, example, id=f"{topic.name}: {example.name}")
    for topic in TOPICS
    for example in topic.examples
]


def record(key: str | None, value: bytes | None) -> Record:
    return Record("t", "uuid", 0, 0, 0, None if key is None else key.encode(), value)


def validator(kind: type[Message]) -> Any:
    return jsonschema.Draft202012Validator(
        json_schema(kind), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def test_documents_are_current() -> None:
    assert stale() == [], "run `python -m streams.contract_documents`"


def test_what_is_not_current_is_noticed(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / "README.md").write_text("old")
    (tmp_path / "schemas" / "event.schema.json").unlink()
    (tmp_path / "schemas" / "gone.schema.json").write_text("{}")
    assert stale(tmp_path) == ["README.md", "schemas/event.schema.json", "schemas/gone.schema.json"]
    write(tmp_path)
    assert stale(tmp_path) == []


@pytest.mark.parametrize(("topic", "example"), EXAMPLES)
def test_every_example_is_decoded_and_encoded_again(topic: Topic[Any], example: Example) -> None:
    if example.value is None:
        assert topic.nullable
        assert withdrawn_id(record(example.key, None)) == example.key
        return
    # Bytes are base64 in the examples, as in JSON Schema.
    message = msgspec.json.decode(json.dumps(example.value), type=topic.value_type)
    value = json.dumps(example.value).encode() if topic.encoding == "json" else encode(message)
    assert decode_record(record(example.key, value), topic) == message
    sent = outgoing("t", message)
    assert sent.key == (None if example.key is None else example.key.encode())
    assert sent.value is not None
    assert decode_record(record(example.key, sent.value), topic) == message


@pytest.mark.parametrize(("topic", "example"), EXAMPLES)
def test_every_example_is_valid_by_its_json_schema(topic: Topic[Any], example: Example) -> None:
    if example.value is None:
        return
    kinds = [
        kind
        for kind in message_types(topic)
        if kind.__struct_config__.tag in (None, example.value.get("type"))
    ]
    assert len(kinds) == 1
    validator(kinds[0]).validate(example.value)


_EVENT = {
    "event_id": "e",
    "user_id": "u",
    "item_id": "i",
    "action": "click",
    "occurred_at": "2026-11-24T10:00:00Z",
}
_REQUEST = {"request_id": "r", "user_id": "u"}


@pytest.mark.parametrize(
    ("topic_name", "value", "reason", "named"),
    [
        ("items", {}, "invalid", "item_id"),
        ("items", {"item_id": ""}, "invalid", "item_id"),
        ("items", {"item_id": "i" * 10_000}, "invalid", "item_id"),
        ("items", {"item_id": "i", "media": [{"kind": "smell", "uri": "x"}]}, "invalid", "media"),
        ("items", {"item_id": "i", "attributes": {"size": {"w": 1}}}, "invalid", "attributes"),
        (
            "items",
            {"item_id": "i", "vectors": {"text": {"encoder": "e", "values": []}}},
            "invalid",
            "values",
        ),
        ("events", {**_EVENT, "occurred_at": 5}, "invalid", "occurred_at"),
        ("events", {key: _EVENT[key] for key in _EVENT if key != "action"}, "invalid", "action"),
        ("recommendation-requests", {**_REQUEST, "count": 0}, "invalid", "count"),
        ("recommendation-requests", {**_REQUEST, "count": 1_000_000}, "invalid", "count"),
        ("recommendation-requests", {**_REQUEST, "filter": {"price": {"least": 1}}}, "invalid", "filter"),
        ("erasures", {"user_id": "u"}, "invalid", "requested_at"),
    ],
)
def test_schema_and_codec_refuse_the_same(topic_name: str, value: Any, reason: str, named: str) -> None:
    topic = next(topic for topic in TOPICS if topic.name == topic_name)
    with pytest.raises(jsonschema.ValidationError):
        validator(topic.value_type).validate(value)
    with pytest.raises(BadInputError) as caught:
        decode_record(record(None, json.dumps(value).encode()), topic)
    assert caught.value.reason == reason
    assert named in caught.value.detail


def test_every_field_of_a_public_message_is_described_and_no_other() -> None:
    schemas = components(public_types(), "{name}")
    assert set(FIELD_DESCRIPTIONS) == set(schemas)
    for name, schema in schemas.items():
        assert set(FIELD_DESCRIPTIONS[name]) == set(schema["properties"]) - {"type"}, name


def test_json_schemas_are_valid_schemas() -> None:
    for kind in public_types():
        jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_links_within_the_page_lead_somewhere() -> None:
    page = documents()["README.md"]
    headings = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("#")}
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links
    assert links <= headings


def test_the_asyncapi_document_refers_to_what_it_defines() -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_text("utf-8"))

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        if isinstance(node, list):
            return [found for value in node for found in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.skipif(
    shutil.which("node") is None or not (ASYNCAPI_CHECK / "node_modules").is_dir(),
    reason="AsyncAPI's own parser is not installed: run tests/asyncapi/check",
)
def test_asyncapi_s_own_parser_finds_the_document_valid(tmp_path: Path) -> None:
    def check(file: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", "validate.mjs", str(file)], cwd=ASYNCAPI_CHECK, capture_output=True, text=True
        )

    assert check(FOLDER / "asyncapi.json").returncode == 0
    broken = tmp_path / "broken.json"
    broken.write_text((FOLDER / "asyncapi.json").read_text("utf-8").replace('"receive"', '"receives"'))
    answer = check(broken)
    assert answer.returncode == 1
    assert "action" in answer.stdout
