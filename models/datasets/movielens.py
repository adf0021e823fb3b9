"""MovieLens-100k with plots, posters and trailers: 943 people, 1,682 films, 100,000 ratings.

``ratings.csv.gz`` has the columns user_id, item_id, rating, timestamp (seconds), in the order in which the
ratings are replayed. ``items.jsonl`` has item_id, title, release_date, genres, plot and poster (the name of a
file in ``posters.zip``); the last two may be null. ``trailer_vggish.npz``
has item_id [n] and vggish [n, 128].

A film's ``created_at`` is its release date, which was known beforehand; often it is the first of January of
its year, as the data set has it. That the log first names a film at some time is knowledge of the log itself,
and not used. A film without a date counts as old. Trailer vectors are centred on their mean, as the encoders
of Freshet are: as they come, all are non-negative and resemble each other.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.datasets.dataset import CallerVector, Dataset, DatasetEvent, DatasetItem
from models.datasets.lines import json_lines, naming, text_lines
from models.encoders.manifest import Modality
from models.errors import DatasetError
from models.retrieval.filters import AttributeValue

RATINGS_FILE = "ratings.csv.gz"
ITEMS_FILE = "items.jsonl"
POSTERS_FILE = "posters.zip"
TRAILERS_FILE = "trailer_vggish.npz"
TRAILER_ENCODER = "vggish-128"
_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
_YEAR = re.compile(r"\((\d{4})\)\s*$")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _Film(msgspec.Struct, frozen=True):
    item_id: int
    title: str
    release_date: str | None = None
    genres: list[str] = []
    plot: str | None = None
    poster: str | None = None


class MovieLens100k(Dataset):
    """See the module. A rating is an event ``rate`` with the value 1 to 5; 4 and 5 are positive."""

    name = "movielens-100k"
    warm_up_events = 50_000
    # Ratings of 1 to 5 weigh -2 to 2: 3 says nothing.
    settings: Mapping[str, Any] = {
        "profile": {"actions": {"rate": {"weight": 2.0, "value_neutral": 3.0, "value_full": 5.0}}},
        # Films without a common genre are unlike: so diversity is understood by people, not by vectors.
        "rerank": {"diversity_by": ["genres"]},
    }

    def items(self) -> Iterator[DatasetItem]:
        """See `Dataset.items`."""
        path = self.folder / ITEMS_FILE
        trailers = self._trailers()
        with self._posters() as posters:
            names = set(posters.namelist())
            for number, film in json_lines(path, _Film):
                with naming(path, number):
                    media: dict[Modality, tuple[bytes, ...]] = {}
                    if film.poster is not None:
                        if film.poster not in names:
                            raise ValueError(f"{POSTERS_FILE} has no {film.poster}")
                        media["image"] = (posters.read(film.poster),)
                    trailer = trailers.get(film.item_id)
                    yield DatasetItem(
                        item_id=str(film.item_id),
                        title=film.title,
                        description=film.plot or "",
                        attributes=_attributes(film),
                        created_at_ms=_released_ms(film.release_date),
                        media=media,
                        vectors={} if trailer is None else {"audio": CallerVector(TRAILER_ENCODER, trailer)},
                    )

    def events(self) -> Iterator[DatasetEvent]:
        """See `Dataset.events`."""
        path = self.folder / RATINGS_FILE
        for number, line in text_lines(path):
            with naming(path, number):
                (row,) = csv.reader([line.decode()])
                if number == 1:
                    if row != _COLUMNS:
                        raise ValueError(f"the columns must be {', '.join(_COLUMNS)}")
                    continue
                user_id, item_id, rating, timestamp = row
                if not (user_id and item_id):
                    raise ValueError("user_id and item_id must not be empty")
                if not 1 <= float(rating) <= 5:
                    raise ValueError(f"the rating is {rating}; it must be 1 to 5")
                yield DatasetEvent(
                    event_id=f"rating-{number - 1}",
                    user_id=user_id,
                    item_id=item_id,
                    action="rate",
                    occurred_at_ms=int(timestamp) * 1_000,
                    value=float(rating),
                )

    def _posters(self) -> zipfile.ZipFile:
        path = self.folder / POSTERS_FILE
        try:
            return zipfile.ZipFile(path)
        except FileNotFoundError:
            raise DatasetError(f"there is no file {path}") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from None

    def _trailers(self) -> dict[int, NDArray[np.float32]]:
        path = self.folder / TRAILERS_FILE
        try:
            with np.load(path) as arrays:
                item_ids, vectors = arrays["item_id"], arrays["vggish"].astype(np.float32)
        except FileNotFoundError:
            raise DatasetError(f"there is no file {path}") from None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from None
        centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return dict(zip(item_ids.tolist(), centred, strict=True))


def _attributes(film: _Film) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"genres": list(film.genres)}
    year = _YEAR.search(film.title)
    if year is not None:
        attributes["year"] = int(year[1])
    return attributes


def _released_ms(date: str | None) -> int:
    """Of a date such as 01-Jan-1995. By hand: `strptime` reads the names of months by the locale."""
    if not date:
        return 0
    day, month, year = date.split("-")
    released = datetime(int(year), _MONTHS.index(month) + 1, int(day), tzinfo=UTC)
    return round(released.timestamp() * 1_000)
