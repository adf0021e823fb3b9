"""Data sets as folders: what they give, and what is said of a bad one."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.datasets import Dataset, open_dataset
from models.errors import DatasetError
from tests.unit.evaluation.tiny_dataset import COLOURS, picture, tiny_events, tiny_items, write_dataset


def ms(*date: int) -> int:
    return round(datetime(*date, tzinfo=UTC).timestamp() * 1_000)  # type: ignore[arg-type]


def test_a_folder_gives_items_with_their_media_and_events_in_order(tiny_folder: Path) -> None:
    dataset = open_dataset(tiny_folder)
    assert dataset.name == "tiny"
    items = {item.item_id: item for item in dataset.items()}
    assert len(items) == 12
    assert items["pans-0"].media == {"image": (picture(COLOURS["pans"]),)}
    assert items["pans-1"].media == {"image": (picture(COLOURS["pans"]),)}
    assert items["pans-2"].media == {}
    assert items["pans-2"].attributes == {"taste": "pans"}
    assert items["pans-2"].created_at_ms == ms(2024, 1, 1)
    events = list(dataset.events())
    assert [event.event_id for event in events] == [f"e-{number}" for number in range(24)]
    assert (events[4].action, events[1].occurred_at_ms) == ("skip", ms(2024, 1, 1, 0, 1))


def change_item(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        items = tiny_items()
        items[2] |= fields
        (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))

    return change


def change_event(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        events = tiny_events()
        events[3] |= fields
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))

    return change


@pytest.mark.parametrize(
    ("break_it", "where", "what"),
    [
        (change_item(title=7), "items.jsonl, line 3", "`$.title`"),
        (change_item(item_id=""), "items.jsonl, line 3", "`$.item_id`"),
        (change_item(item_id="shoes-0"), "items.jsonl, line 3", "was there before"),
        (change_item(created_at="yesterday"), "items.jsonl, line 3", "`$.created_at`"),
        (change_item(media=[{"kind": "image", "uri": "media/gone.png"}]), "gone.png", "there is no file"),
        (change_item(media=[{"kind": "image", "uri": "../x.png"}]), "items.jsonl, line 3", "leads out"),
        (change_item(media=[{"kind": "image", "uri": "/etc/hostname"}]), "items.jsonl, line 3", "leads out"),
        (change_item(media=[{"kind": "image", "data": "?"}]), "items.jsonl, line 3", "base64"),
        (change_item(media=[{"kind": "image"}]), "items.jsonl, line 3", "exactly one"),
        (
            change_item(vectors={"audio": {"encoder": "mine", "values": [0.0, 0.0]}}),
            "items.jsonl, line 3",
            "no direction",
        ),
        (change_event(occurred_at="2026-01-01T00:00:00"), "events.jsonl, line 4", "`$.occurred_at`"),
        (change_event(user_id=None), "events.jsonl, line 4", "`$.user_id`"),
        (lambda folder: (folder / "items.jsonl").unlink(), "items.jsonl", "there is no file"),
        (lambda folder: (folder / "events.jsonl").write_text("{}\n{"), "events.jsonl, line 1", "event_id"),
    ],
)
def test_what_is_wrong_names_the_file_and_the_line(
    tiny_folder: Path, break_it: Callable[[Path], None], where: str, what: str
) -> None:
    break_it(tiny_folder)
    dataset = open_dataset(tiny_folder)
    with pytest.raises(DatasetError) as raised:
        read_all(dataset)
    assert where in raised.value.detail
    assert what in raised.value.detail


def test_vectors_of_a_modality_are_all_of_one_encoder(tmp_path: Path) -> None:
    items = tiny_items()
    items[0]["vectors"] = {"audio": {"encoder": "mine", "values": [3.0, 4.0]}}
    items[5]["vectors"] = {"audio": {"encoder": "mine", "values": [3.0, 4.0, 5.0]}}
    dataset = open_dataset(write_dataset(tmp_path / "own", items))
    with pytest.raises(DatasetError, match=r"line 6: .*3 numbers of `mine`, those before are 2 of `mine`"):
        read_all(dataset)


def test_a_folder_that_is_not_there_or_empty_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match="holds no data set"):
        open_dataset(tmp_path)


def read_all(dataset: Dataset) -> None:
    list(dataset.items())
    list(dataset.events())


# MovieLens


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    """Three films in the shape of MovieLens-100k."""
    films = [
        {"item_id": 1, "title": "Toy Story (1995)", "release_date": "22-Nov-1995", "genres": ["Comedy"],
         "plot": "Toys come to life.", "poster": "1.jpg"},
        {"item_id": 2, "title": "Heat (1995)", "release_date": "01-Jan-1995", "genres": [], "plot": None,
         "poster": None},
        {"item_id": 3, "title": "unknown", "release_date": None, "genres": ["unknown"], "plot": None,
         "poster": None},
    ]  # fmt: skip
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(film) + "\n" for film in films))
    with zipfile.ZipFile(tmp_path / "posters.zip", "w") as posters:
        posters.writestr("1.jpg", picture((1, 2, 3)))
    np.savez(
        tmp_path / "trailer_vggish.npz",
        item_id=np.array([1, 2]),
        vggish=np.array([[1.0, 5.0], [3.0, 9.0]], np.float16),
    )
    write_ratings(tmp_path, "7,2,5,880000000\n8,1,1,880000060\n")
    return tmp_path


def write_ratings(folder: Path, rows: str) -> None:
    with gzip.open(folder / "ratings.csv.gz", "wt") as file:
        file.write("user_id,item_id,rating,timestamp\n" + rows)


def test_movielens_films_with_all_that_is_known_of_them(movielens: Path) -> None:
    first, second, third = open_dataset(movielens).items()
    assert (first.item_id, first.title, first.description) == ("1", "Toy Story (1995)", "Toys come to life.")
    assert first.attributes == {"genres": ["Comedy"], "year": 1995}
    assert first.media == {"image": (picture((1, 2, 3)),)}
    assert (first.created_at_ms, second.created_at_ms, third.created_at_ms) == (
        ms(1995, 11, 22),
        ms(1995, 1, 1),
        0,
    )
    assert first.vectors["audio"].encoder == "vggish-128"
    # Centred: the mean of both trailers is (2, 7).
    assert first.vectors["audio"].values.tolist() == [-1.0, -2.0]
    assert third.vectors == {}
    assert third.attributes == {"genres": ["unknown"]}


def test_movielens_ratings_are_events_and_weigh_as_the_data_set_says(movielens: Path) -> None:
    from streams.settings import load_settings
    from workers.model_settings import transition_settings

    dataset = open_dataset(movielens)
    first, second = dataset.events()
    assert (first.user_id, first.item_id, first.action, first.value) == ("7", "2", "rate", 5.0)
    assert second.occurred_at_ms == 880000060000
    transitions = transition_settings(load_settings(**dataset.settings).profile)
    weights = [transitions.weight_of("rate", float(rating)) for rating in (1, 2, 3, 4, 5)]
    assert weights == [-2.0, -1.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("break_it", "what"),
    [
        (lambda folder: write_ratings(folder, "7,2,5\n"), "ratings.csv.gz, line 2"),
        (lambda folder: write_ratings(folder, "7,2,5,1\n7,2,6,1\n"), "line 3: the rating is 6"),
        (lambda folder: write_ratings(folder, "7,2,good,1\n"), "line 2"),
        (lambda folder: (folder / "ratings.csv.gz").write_bytes(b"no gzip"), "ratings.csv.gz cannot be read"),
        (lambda folder: (folder / "posters.zip").unlink(), "there is no file"),
        (lambda folder: (folder / "posters.zip").write_bytes(b"no zip"), "posters.zip cannot be read"),
        (lambda folder: (folder / "trailer_vggish.npz").write_bytes(b"x"), "trailer_vggish.npz cannot be"),
        (lambda folder: zipfile.ZipFile(folder / "posters.zip", "w").close(), "posters.zip has no 1.jpg"),
    ],
)
def test_what_is_wrong_in_movielens_is_named(
    movielens: Path, break_it: Callable[[Path], None], what: str
) -> None:
    break_it(movielens)
    with pytest.raises(DatasetError) as raised:
        read_all(open_dataset(movielens))
    assert what in raised.value.detail


def test_a_ratings_file_that_is_cut_off_is_named(movielens: Path) -> None:
    whole = io.BytesIO()
    with gzip.GzipFile(fileobj=whole, mode="wb") as file:
        file.write(b"user_id,item_id,rating,timestamp\n" + b"7,2,5,880000000\n" * 5_000)
    (movielens / "ratings.csv.gz").write_bytes(whole.getvalue()[:-20])
    with pytest.raises(DatasetError, match="cannot be read after line"):
        read_all(open_dataset(movielens))


def test_the_shared_movielens_is_what_its_notes_say(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "movielens-100k"
    if not folder.is_dir():
        pytest.skip(f"no MovieLens-100k at {folder}")
    dataset = open_dataset(folder)
    items, events = list(dataset.items()), list(dataset.events())
    assert (len(items), len(events)) == (1_682, 100_000)
    assert sum(bool(item.media) for item in items) == 1_419
    assert sum(bool(item.vectors) for item in items) == 1_166
    assert sum(event.value is not None and event.value >= 4 for event in events[50_000:]) == 26_991
