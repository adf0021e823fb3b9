"""A catalogue and people, made up: items around centres, people who like some of these. Seeded.

Its vectors are published straight to `item-vectors`, so that 100,000 items are there in seconds: where lists
are measured, it is not the encoders that are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from streams.messages import Event
from streams.records import Outgoing

CENTRES = 200
SPREAD = 0.7
TASTES = 4
TOPICS = 2_000
_AT_ONCE = 65_536


def clustered_vectors(
    count: int, dimension: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of unit length around `CENTRES` centres, float32 [count, dimension], and each one's centre.

    Embeddings cluster, so uniform directions, among which no neighbour is near, would be another problem.
    """
    centres = random.standard_normal((CENTRES, dimension), dtype=np.float32)
    centre_of = random.integers(0, CENTRES, count)
    vectors = centres[centre_of] + SPREAD * random.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), centre_of


def textlike_vectors(
    count: int, dimension: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors about as hard to search as those of text, float32 [count, dimension], and their topics.

    Made up: few topics are common and many rare, and some directions say much and many little, so that
    groups run into each other. How much was set by 258,000 passages of WordNet in the bundled text encoder:
    of the nearest 50 in 100,000 the nearest cells with 4,096 rows hold .93 there, .91 here and all of
    `clustered_vectors` (docs/measurements.md).
    """
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** np.float32(-0.45)
    topics = scale * random.standard_normal((TOPICS, dimension), dtype=np.float32)
    shares = np.arange(1, TOPICS + 1) ** -0.5
    topic_of = random.choice(TOPICS, count, p=shares / shares.sum())
    vectors = np.empty((count, dimension), np.float32)
    for begin in range(0, count, _AT_ONCE):
        mine = topics[topic_of[begin : begin + _AT_ONCE]]
        mine += np.float32(0.7) * scale * random.standard_normal(mine.shape, dtype=np.float32)
        vectors[begin : begin + _AT_ONCE] = mine / np.linalg.norm(mine, axis=1, keepdims=True)
    return vectors, topic_of


class World:
    """Items and people.

    Args:
        items: How many.
        dimension: Of the fused space.
        people: How many.

    Attributes:
        item_vectors: Unit vectors, float16 [items, dimension].
        centre_of: Of each item, int64 [items].
    """

    def __init__(self, items: int, dimension: int, people: int, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        vectors, self.centre_of = clustered_vectors(items, dimension, self._random)
        self.item_vectors = vectors.astype("<f2")
        self._by_centre = [
            found if len(found) else np.arange(items)
            for found in (np.flatnonzero(self.centre_of == centre) for centre in range(CENTRES))
        ]
        self._tastes = self._random.integers(0, CENTRES, (people, TASTES))
        self._people = people
        self._number = 0

    def vectors(self, topic: str) -> Iterator[Outgoing]:
        """Every item as the fuse role publishes it."""
        born = datetime.now(UTC) - timedelta(days=30)
        for number, vector in enumerate(self.item_vectors):
            message = ItemVector(
                item_id=f"item-{number}",
                version=ItemVersion(1, 0, number, 0),
                revision=1,
                vector=vector.tobytes(),
                modalities=["text"],
                title=f"Item {number}",
                attributes={"category": f"c{self.centre_of[number] % 20}"},
                created_at=born,
            )
            yield Outgoing(topic, message.item_id.encode(), encode(message))

    def event(self, occurred_at: datetime) -> Event:
        """Somebody likes something to their taste; what many like, more often."""
        person = int(self._random.integers(0, self._people))
        mine = self._by_centre[int(self._tastes[person, int(self._random.integers(0, TASTES))])]
        item = int(mine[min(len(mine) - 1, int(self._random.exponential(len(mine) / 4)))])
        self._number += 1
        return Event(
            event_id=f"e-{self._number}",
            user_id=f"person-{person}",
            item_id=f"item-{item}",
            action="like",
            occurred_at=occurred_at,
        )

    def history(self, topic: str, events: int) -> Iterator[tuple[Event, Outgoing]]:
        """Events of the last twenty days, too old to be answered."""
        begin, step = datetime.now(UTC) - timedelta(days=20), timedelta(days=19) / events
        for number in range(events):
            event = self.event(begin + number * step)
            yield event, Outgoing(topic, event.user_id.encode(), encode(event))
