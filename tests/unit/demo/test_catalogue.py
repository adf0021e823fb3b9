"""The catalogue as it ships, and the script that builds it."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from deploy.demo import media
from deploy.demo.catalogue import (
    CATALOGUE_FOLDER,
    ITEMS_FILE,
    NEW_ITEMS_FILE,
    is_to_taste,
    labels_of,
    load_catalogue,
    modality_of,
    read_items,
)
from deploy.demo.recipe import drafts
from deploy.demo.sources import Sources, clip_credits
from deploy.demo.tastes import NOBODYS, PHOTOGRAPHS, SOUNDS, TASTES
from streams.errors import ConfigurationError, DefectError
from streams.topics import MAX_MESSAGE_BYTES

SHIPPED = read_items(CATALOGUE_FOLDER / ITEMS_FILE)
NEW = read_items(CATALOGUE_FOLDER / NEW_ITEMS_FILE)
MEDIA = sorted(path for path in (CATALOGUE_FOLDER / "media").iterdir())


def test_is_large_enough_and_small_enough() -> None:
    files = [path for path in CATALOGUE_FOLDER.rglob("*") if path.is_file()]
    assert len(SHIPPED) >= 120
    assert len(NEW) == 16
    assert sum(path.stat().st_size for path in files) <= 12e6
    assert max(path.stat().st_size for path in files) <= 1e6


def test_has_each_item_once_and_each_medium_once() -> None:
    items = SHIPPED + NEW
    assert len({item.item_id for item in items}) == len(items)
    named = [medium.uri for item in items for medium in item.media]
    assert sorted(named) == [f"media/{path.name}" for path in MEDIA]


def test_has_every_modality_alone_and_mixed_in_both_parts() -> None:
    for items in (SHIPPED, NEW):
        assert set(map(modality_of, items)) == {"text", "image", "audio", "video", "mixed"}
    both = [item for item in SHIPPED if {medium.kind for medium in item.media} == {"image", "audio"}]
    assert len(both) >= 20
    assert all(item.title and item.description for item in both)


def test_agrees_with_the_recipe() -> None:
    made = Counter((draft.labels, draft.has_text, draft.is_new) for draft in drafts())
    here = Counter(
        (tuple(item.attributes["tags"]), bool(item.title), is_new)
        for items, is_new in ((SHIPPED, False), (NEW, True))
        for item in items
    )
    assert here == made


def test_each_taste_has_a_tenth_of_the_catalogue_and_new_items_of_its_own() -> None:
    for taste in TASTES:
        share = sum(is_to_taste(item, taste) for item in SHIPPED) / len(SHIPPED)
        assert 0.05 < share < 0.2
        assert sum(is_to_taste(item, taste) for item in NEW) >= 1
    liked = [label for taste in TASTES for label in taste.labels]
    assert sorted([*liked, *NOBODYS]) == sorted([*PHOTOGRAPHS, *SOUNDS])


def test_no_item_is_to_two_tastes() -> None:
    assert max(sum(is_to_taste(item, taste) for taste in TASTES) for item in SHIPPED + NEW) == 1


@pytest.mark.parametrize("path", MEDIA, ids=lambda path: path.name)
def test_every_medium_decodes(path: Path) -> None:
    if path.suffix == ".jpg":
        with Image.open(path) as image:
            image.load()
            assert image.format == "JPEG"
            assert max(image.size) <= 160
            assert not image.getexif()
        return
    with av.open(str(path)) as container:
        assert 1 <= container.duration / av.time_base <= 6
        for stream in container.streams:
            with av.open(str(path)) as again:
                frames = sum(1 for _ in again.decode(again.streams[stream.index]))
            assert frames >= 40
        if path.suffix == ".webm":
            video = container.streams.video[0]
            assert video.codec_context.name in ("vp9", "libvpx-vp9")
            assert max(video.width, video.height) <= 320


def test_films_have_sound_but_for_one() -> None:
    silent = []
    for path in MEDIA:
        if path.suffix == ".webm":
            with av.open(str(path)) as container:
                if not container.streams.audio:
                    silent.append(path.name)
    assert len(silent) == 1


def test_the_notice_names_both_licences_and_every_clip() -> None:
    notice = (CATALOGUE_FOLDER / "NOTICE").read_text(encoding="utf-8")
    for words in (
        "CC0 1.0",
        "clothing-dataset-small",
        "Creative Commons Attribution 3.0",
        "ESC-10",
        "Piczak",
    ):
        assert words in notice
    for change in ("resampled", "encoded again", "combined with photographs"):
        assert change in notice
    credited = {line.split(":")[0] for line in notice.splitlines() if ": ESC-10 " in line}
    with_sound = {path.name for path in MEDIA if path.suffix == ".ogg"}
    films = {path.name for path in MEDIA if path.suffix == ".webm"}
    assert with_sound <= credited <= with_sound | films
    assert len(credited & films) == len(films) - 1
    lines = [line for line in notice.splitlines() if ": ESC-10 " in line]
    assert all("(CC0)" in line or "(CC-BY)" in line for line in lines)


def test_loaded_items_can_be_published_as_they_are() -> None:
    catalogue = load_catalogue()
    assert [item.item_id for item in catalogue.items] == [item.item_id for item in SHIPPED]
    for item in catalogue.items:
        for medium in item.media:
            assert Path(medium.uri.removeprefix("file://")).is_relative_to(catalogue.media_root)
    for item in catalogue.new_items:
        for medium in item.media:
            assert medium.uri is None
            assert 1_000 < len(medium.data) < MAX_MESSAGE_BYTES
        assert item.created_at is None
    assert labels_of(catalogue.items[0])


def test_a_catalogue_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match=str(tmp_path)):
        load_catalogue(tmp_path)


def test_credits_cover_the_set() -> None:
    assert len({credit.file for credit in clip_credits()}) == 400


def test_a_folder_without_the_data_sets_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="clothing"):
        Sources(tmp_path)


def _write_data(folder: Path) -> None:
    photograph, clip = io.BytesIO(), media.clip((CATALOGUE_FOLDER / "media" / "rain-01.ogg").read_bytes())
    Image.new("RGB", (120, 160), "red").save(photograph, "JPEG")
    licensed = {credit.file: credit.licence for credit in clip_credits()}
    unfit = next(file for file, licence in licensed.items() if licence not in ("CC0", "CC-BY"))
    fit = next(file for file, licence in licensed.items() if licence == "CC0")
    images = [("a.jpg", "dress", "train"), ("b.jpg", "dress", "test")]
    clips = [(unfit, "Rooster", "1"), (fit, "Rooster", "1")]
    for name, archive, rows, data in (
        ("clothing", "images.zip", images, photograph.getvalue()),
        ("esc10", "clips.zip", clips, clip),
    ):
        (folder / name).mkdir()
        with (folder / name / "labels.csv").open("w", newline="") as lines:
            csv.writer(lines).writerows([("file", "label", "split"), *rows])
        with zipfile.ZipFile(folder / name / archive, "w") as files:
            for file, *_ in rows:
                files.writestr(file, data)


def test_only_unseen_photographs_and_licensed_clips_are_taken(tmp_path: Path) -> None:
    _write_data(tmp_path)
    sources = Sources(tmp_path)
    assert sources.take("dress").file == "b.jpg"
    assert len(sources.take_for_film("dress", 3)) == 0
    taken = sources.take("rooster").file
    assert {credit.file: credit.licence for credit in clip_credits()}[taken] == "CC0"
    with pytest.raises(IndexError):
        sources.take("rooster")


def test_a_film_is_the_same_each_time() -> None:
    photographs = []
    for colour in ("red", "blue"):
        out = io.BytesIO()
        Image.new("RGB", (120, 160), colour).save(out, "JPEG")
        photographs.append(out.getvalue())
    clip = (CATALOGUE_FOLDER / "media" / "rain-01.ogg").read_bytes()
    film = media.film(photographs, clip)
    assert film == media.film(photographs, clip)
    with av.open(io.BytesIO(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.argmax(frames[0].mean(axis=(0, 1))) == 0
    assert np.argmax(frames[-1].mean(axis=(0, 1))) == 2
    with av.open(io.BytesIO(film)) as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert 3.8 < seconds < 4.2
