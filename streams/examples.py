"""An example of every message, as JSON: in the contract's documents, and decoded in a test.

Bytes are base64 here; on Kafka the internal topics carry MessagePack.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_TIME = "2026-11-24T10:15:30.250Z"
_VERSION = [1, 7, 1041, 1795515330250]


class Example(NamedTuple):
    """``value`` None is a null value: a withdrawal."""

    name: str
    key: str | None
    value: dict[str, Any] | None


ITEMS = (
    Example(
        "a lamp with a picture",
        "lamp-17",
        {
            "item_id": "lamp-17",
            "title": "Desk lamp, brass",
            "description": "A warm light for reading, with an arm that stays where it is put.",
            "media": [{"kind": "image", "uri": "https://cdn.example.com/lamp-17.jpg"}],
            "attributes": {"category": "lighting", "price": 49.9, "tags": ["brass", "desk"], "led": True},
            "created_at": _TIME,
        },
    ),
    Example("the only required field", "i", {"item_id": "i"}),
    Example(
        "a sound within the message, and a vector that the publisher computed",
        "song-3",
        {
            "item_id": "song-3",
            "title": "Rain on a tin roof",
            "media": [{"kind": "audio", "data": "T2dnUwACAAAAAA==", "media_type": "audio/ogg"}],
            "vectors": {"text": {"encoder": "my-sentences-4", "values": [0.5, -0.5, 0.5, 0.5]}},
            "available": False,
        },
    ),
    Example("withdrawn", "lamp-17", None),
)
EVENTS = (
    Example(
        "a click on a recommended item",
        "anna",
        {
            "event_id": "e-20261124-000001",
            "user_id": "anna",
            "item_id": "lamp-17",
            "action": "click",
            "occurred_at": _TIME,
            "session_id": "s-9",
            "recommendation_id": "event:e-20261124-000000",
            "context": {"page": "home", "position": 2},
        },
    ),
    Example(
        "a rating",
        "anna",
        {
            "event_id": "e-20261124-000002",
            "user_id": "anna",
            "item_id": "song-3",
            "action": "rate",
            "value": 4.5,
            "occurred_at": "2026-11-24T11:16:00+01:00",
        },
    ),
)
RECOMMENDATION_REQUESTS = (
    Example("the newest list", "anna", {"request_id": "r-1", "user_id": "anna"}),
    Example(
        "affordable things similar to a lamp",
        "anna",
        {
            "request_id": "r-2",
            "user_id": "anna",
            "count": 5,
            "seed_items": ["lamp-17"],
            "after_event_id": "e-20261124-000002",
            "deadline": "2026-11-24T10:15:31Z",
            "exclude": ["lamp-18"],
            "filter": {"category": ["lighting", "furniture"], "price": {"max": 60}, "led": True},
        },
    ),
    Example(
        "rank just these",
        "anna",
        {"request_id": "r-3", "user_id": "anna", "candidates": ["lamp-17", "song-3"], "count": 2},
    ),
)
RECOMMENDATIONS = (
    Example(
        "after an event",
        "anna",
        {
            "recommendation_id": "event:e-20261124-000001",
            "user_id": "anna",
            "profile_version": 12,
            "cause": {"kind": "event", "id": "e-20261124-000001"},
            "items": [
                {
                    "item_id": "lamp-18",
                    "score": 0.75,
                    "reasons": [
                        {"kind": "history", "contribution": 0.5, "item_id": "lamp-17", "action": "click"},
                        {"kind": "popularity", "contribution": 0.25},
                    ],
                }
            ],
            "model": "bilinear@1",
            "generated_at": _TIME,
            "complete": True,
        },
    ),
    Example(
        "a request that was refused",
        "anna",
        {
            "recommendation_id": "request:r-9",
            "user_id": "anna",
            "profile_version": 12,
            "cause": {"kind": "request", "id": "r-9"},
            "items": [],
            "model": "bilinear@1",
            "generated_at": _TIME,
            "complete": False,
            "shortfall": "the request is invalid: Expected `int` <= 500 - at `$.count`",
        },
    ),
)
OUTCOMES = (
    Example(
        "a click on the second item of a list",
        "anna",
        {
            "recommendation_id": "event:e-20261124-000000",
            "user_id": "anna",
            "item_id": "lamp-17",
            "position": 2,
            "event_id": "e-20261124-000001",
            "action": "click",
            "weight": 1.0,
            "occurred_at": _TIME,
            "shown_at": "2026-11-24T10:15:12Z",
            "model": "cascade.linear-0a1b2c3d",
            "matched_by": "recommendation_id",
            "propensity": 0.05,
            "experiment": "ranking",
            "arm": "diverse",
        },
    ),
)
EXPLANATIONS = (
    Example(
        "why a lamp",
        "anna",
        {
            "recommendation_id": "event:e-20261124-000001",
            "user_id": "anna",
            "items": [{"item_id": "lamp-18", "text": "Because you looked at “Desk lamp, brass”."}],
            "language": "en",
            "generator": "template@1",
            "grounded": True,
            "generated_at": _TIME,
        },
    ),
)
_BUNDLE_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MODELS = (
    Example(
        "a bundle announced",
        "shop@2",
        {
            "type": "bundle",
            "name": "shop",
            "version": "2",
            "uri": "s3://models/shop@2.tar",
            "sha256": _BUNDLE_SHA256,
            "space": "gated-1b4f0e98",
            "dimension": 256,
            "announced_at": _TIME,
        },
    ),
    Example(
        "the bundle that shall serve",
        "wanted",
        {"type": "wanted", "name": "shop", "version": "2", "requested_at": _TIME},
    ),
    Example(
        "the pointer to the bundle that serves",
        "active",
        {
            "type": "active",
            "name": "shop",
            "version": "2",
            "space": "gated-1b4f0e98",
            "dimension": 256,
            "activated_at": _TIME,
            "uri": "s3://models/shop@2.tar",
            "sha256": _BUNDLE_SHA256,
            "previous": "settings@start",
        },
    ),
    Example(
        "a bundle refused",
        "shop@3 refused",
        {
            "type": "refused",
            "name": "shop",
            "version": "3",
            "sha256": _BUNDLE_SHA256,
            "reason": "its sample 0 comes out with a cosine of 0.41 to the vector that the manifest states",
            "role": "fuse",
            "refused_at": _TIME,
        },
    ),
    Example(
        "a user model announced",
        "taste@1",
        {
            "type": "user_bundle",
            "name": "taste",
            "version": "1",
            "uri": "s3://models/taste@1.tar",
            "sha256": _BUNDLE_SHA256,
            "space": "gated-1b4f0e98",
            "dimension": 256,
            "announced_at": _TIME,
        },
    ),
    Example(
        "the user model that shall serve in a space",
        "wanted-user-model gated-1b4f0e98",
        {
            "type": "user_wanted",
            "name": "taste",
            "version": "1",
            "space": "gated-1b4f0e98",
            "requested_at": _TIME,
        },
    ),
    Example(
        "the pointer to the user model that serves in a space",
        "active-user-model gated-1b4f0e98",
        {
            "type": "user_active",
            "name": "taste",
            "version": "1",
            "space": "gated-1b4f0e98",
            "dimension": 256,
            "activated_at": _TIME,
            "uri": "s3://models/taste@1.tar",
            "sha256": _BUNDLE_SHA256,
            "previous": "settings@start",
        },
    ),
)
ERASURES = (Example("forget a person", "anna", {"user_id": "anna", "requested_at": _TIME}),)
ERASURE_RECEIPTS = (
    Example(
        "a person forgotten",
        "5f1d7e0c9ab4",
        {
            "user": "5f1d7e0c9ab4",
            "requested_at": _TIME,
            "completed_at": "2026-11-24T10:15:31Z",
            "removed": [
                {"place": "profile in Redis", "records": 1, "role": "profile"},
                {"place": "interaction memory", "records": 17, "role": "recommend"},
            ],
            "expires_at": {"freshet.events": "2026-12-02T10:15:31Z"},
            "not_attributable": ["weights of the ranker, learned across people"],
        },
    ),
)
DEAD_LETTERS = (
    Example(
        "an event without an action",
        "anna",
        {
            "source": {"topic": "freshet.events", "partition": 3, "offset": 1041, "key": "anna"},
            "stage": "profile",
            "reason": "invalid",
            "detail": "Event: Object missing required field `action`",
            "attempts": 1,
            "failed_at": _TIME,
            "payload": "eyJldmVudF9pZCI6ImUifQ==",
        },
    ),
)
ITEM_FEATURES = (
    Example(
        "what an item says, without its media",
        '["lamp-17"]',
        {
            "type": "declared",
            "item_id": "lamp-17",
            "version": _VERSION,
            "title": "Desk lamp, brass",
            "attributes": {"category": "lighting", "price": 49.9},
            "sources": {"text": "0a1b2c3d", "image": "4e5f6071"},
        },
    ),
    Example(
        "the vector of its picture",
        '["lamp-17","image","image-cnn-64"]',
        {
            "type": "feature",
            "item_id": "lamp-17",
            "version": _VERSION,
            "modality": "image",
            "encoder": "image-cnn-64",
            "source_hash": "4e5f6071",
            "content_hash": "8293a4b5",
            "vector": "AACAPwAAAAA=",
        },
    ),
    Example(
        "a picture that could not be read",
        '["lamp-17","image","image-cnn-64"]',
        {
            "type": "failed",
            "item_id": "lamp-17",
            "version": _VERSION,
            "modality": "image",
            "encoder": "image-cnn-64",
            "source_hash": "4e5f6071",
        },
    ),
)
ITEM_VECTORS = (
    Example(
        "an item in the index",
        "lamp-17",
        {
            "item_id": "lamp-17",
            "version": _VERSION,
            "revision": 3,
            "vector": "ADwAAA==",
            "modalities": ["text", "image"],
            "title": "Desk lamp, brass",
            "attributes": {"category": "lighting", "price": 49.9},
            "created_at": _TIME,
        },
    ),
    Example("withdrawn", "lamp-17", None),
)
PROFILES = (
    Example(
        "a person after a click",
        "anna",
        {
            "user_id": "anna",
            "version": 12,
            "cause": {"event_id": "e-20261124-000001", "occurred_at": _TIME, "published_at": _TIME},
            "state": "gA==",
            "applied": [
                {
                    "event_id": "e-20261124-000001",
                    "item_id": "lamp-17",
                    "action": "click",
                    "weight": 1.0,
                    "occurred_at": _TIME,
                    "recommendation_id": "event:e-20261124-000000",
                    "context": {"page": "home", "position": 2},
                }
            ],
        },
    ),
    Example("forgotten", "anna", None),
)
LEARNED = (
    Example(
        "the ranker after 1,200 events",
        "ranker:0",
        {"model": "ranker", "epoch": 3, "step": 1200, "learned_at": _TIME, "payload": "gA=="},
    ),
)
