"""Twelve items, four each of three tastes, and six people who keep to one taste each."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

TASTES = {
    "shoes": "leather running shoe with laces and a soft sole",
    "pans": "cast iron frying pan for the kitchen stove",
    "books": "novel about a detective in a foggy harbour town",
}
COLOURS = {"shoes": (200, 30, 30), "pans": (30, 200, 30), "books": (30, 30, 200)}
START = datetime(2024, 1, 1, tzinfo=UTC)


def picture(colour: tuple[int, int, int]) -> bytes:
    """A plain PNG."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(file, "PNG")
    return file.getvalue()


def tiny_items() -> list[dict[str, Any]]:
    """Items as lines; every first of a taste has a picture in a file, every second one inline."""
    items = []
    for taste, text in TASTES.items():
        for number in range(4):
            item: dict[str, Any] = {
                "item_id": f"{taste}-{number}",
                "title": f"{taste} {number}",
                "description": text,
                "attributes": {"taste": taste},
                "created_at": START.isoformat(),
            }
            if number == 0:
                item["media"] = [{"kind": "image", "uri": f"media/{taste}.png"}]
            if number == 1:
                data = base64.b64encode(picture(COLOURS[taste])).decode()
                item["media"] = [{"kind": "image", "data": data}]
            items.append(item)
    return items


def tiny_events() -> list[dict[str, Any]]:
    """Each of six people clicks the four items of one taste, in turns; every fifth event is a skip."""
    events = []
    tastes = list(TASTES)
    for round_ in range(4):
        for person in range(6):
            number = len(events)
            taste = tastes[person % 3]
            events.append(
                {
                    "event_id": f"e-{number}",
                    "user_id": f"u-{person}",
                    "item_id": f"{taste}-{(round_ + person) % 4}",
                    "action": "skip" if number % 5 == 4 else "click",
                    "occurred_at": (START + timedelta(minutes=number)).isoformat(),
                }
            )
    return events


def write_dataset(
    folder: Path, items: list[dict[str, Any]] | None = None, events: list[dict[str, Any]] | None = None
) -> Path:
    """Write a folder; None stands for the tiny ones."""
    (folder / "media").mkdir(parents=True)
    for taste, colour in COLOURS.items():
        (folder / "media" / f"{taste}.png").write_bytes(picture(colour))
    _write_lines(folder / "items.jsonl", tiny_items() if items is None else items)
    _write_lines(folder / "events.jsonl", tiny_events() if events is None else events)
    return folder


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
