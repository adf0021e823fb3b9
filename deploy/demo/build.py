"""Build the demo's catalogue: ``python -m deploy.demo.build --data DIR``.

DIR is the folder with the data sets `clothing` and `esc10`. The result is written to `catalogue` beside this
file, and is the same each time with the same releases of PyAV and Pillow.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from deploy.demo import media
from deploy.demo.catalogue import CATALOGUE_FOLDER, ITEMS_FILE, MEDIA_FOLDER, NEW_ITEMS_FILE
from deploy.demo.notice import notice
from deploy.demo.recipe import Draft, drafts
from deploy.demo.sources import Source, Sources, clip_credits
from deploy.demo.words import description, title
from streams.messages import Item, Media

SEED = 20_260_101
FILM_PHOTOGRAPHS = 3
# The catalogue's items are of this year; new ones are new when they are published.
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_DAYS = 365


@dataclass
class _Builder:
    """Makes items and writes their media."""

    sources: Sources
    folder: Path
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))
    numbers: Counter[str] = field(default_factory=Counter)
    clips: dict[str, str] = field(default_factory=dict)

    def build(self, draft: Draft) -> Item:
        name = "-".join(draft.labels)
        self.numbers[name] += 1
        item_id = f"{name}-{self.numbers[name]:02d}"
        has_text = draft.has_text
        price = round(self.rng.uniform(3, 90), 2)
        created_at = _FIRST_DAY + timedelta(days=self.rng.randrange(_DAYS))
        return Item(
            item_id=item_id,
            title=title(draft.form, draft.labels, self.rng) if has_text else "",
            description=description(draft.labels, self.rng) if has_text else "",
            media=self._media(draft, item_id),
            attributes={"category": draft.labels[0], "price": price, "tags": list(draft.labels)},
            created_at=None if draft.is_new else created_at,
        )

    def _media(self, draft: Draft, item_id: str) -> list[Media]:
        labels = draft.labels
        if draft.form == "film":
            photographs = [source.data for source in self.sources.take_for_film(labels[0], FILM_PHOTOGRAPHS)]
            clip = self.sources.take(labels[1]) if len(labels) == 2 else None
            film = media.film(photographs, None if clip is None else clip.data)
            return [self._write("video", "video/webm", f"{item_id}.webm", film, clip)]
        made = []
        if draft.form in ("picture", "both"):
            data = media.photograph(self.sources.take(labels[0]).data)
            made.append(self._write("image", "image/jpeg", f"{item_id}.jpg", data))
        if draft.form in ("sound", "both"):
            clip = self.sources.take(labels[-1])
            made.append(self._write("audio", "audio/ogg", f"{item_id}.ogg", media.clip(clip.data), clip))
        return made

    def _write(self, kind: str, media_type: str, file: str, data: bytes, clip: Source | None = None) -> Media:
        (self.folder / MEDIA_FOLDER / file).write_bytes(data)
        if clip is not None:
            self.clips[file] = clip.file
        return msgspec.convert(
            {"kind": kind, "uri": f"{MEDIA_FOLDER}/{file}", "media_type": media_type}, Media
        )


def build(data: Path, folder: Path) -> tuple[int, int]:
    """Write the catalogue into a folder, in place of what is there.

    Returns:
        How many items it has, and how many of them are held back.

    Raises:
        ConfigurationError: ``data`` is not the folder with the data sets.
    """
    builder = _Builder(Sources(data), folder)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / MEDIA_FOLDER).mkdir(parents=True)
    made = [(draft, builder.build(draft)) for draft in drafts()]
    _write_items(folder / ITEMS_FILE, [item for draft, item in made if not draft.is_new])
    new = [item for draft, item in made if draft.is_new]
    _write_items(folder / NEW_ITEMS_FILE, new)
    credit_of = {credit.file: credit for credit in clip_credits()}
    text = notice({file: credit_of[clip] for file, clip in builder.clips.items()})
    (folder / "NOTICE").write_text(text, encoding="utf-8")
    return len(made), len(new)


def _write_items(file: Path, items: list[Item]) -> None:
    file.write_bytes(b"".join(msgspec.json.encode(item) + b"\n" for item in items))


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description="Build the demo's catalogue.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with `clothing` and `esc10`")
    parser.add_argument("--out", type=Path, default=CATALOGUE_FOLDER)
    arguments = parser.parse_args()
    count, new = build(arguments.data, arguments.out)
    size = sum(file.stat().st_size for file in arguments.out.rglob("*") if file.is_file())
    print(f"{count} items, {new} of them held back, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
