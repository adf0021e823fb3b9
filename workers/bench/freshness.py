"""Part (c): from when an item was due to be published until it is recommendable, by modality, at 20 items/s.

Recommendable is an item from the moment that a recommend worker's index holds its vector. That moment is
taken by the follower that a recommend worker has, run in this process on the same topic: asking for lists all
the time would be a load of its own. In the end the worker is asked for the newest items, and has to list
them.

The baseline is the least that it could take: to decode and encode one item alone, in one thread of this
process, without Kafka, child processes or batches.
"""

from __future__ import annotations

import asyncio
import base64
import math
import time
from collections.abc import Sequence
from typing import Any

from models.encoders import VideoInput
from models.errors import ModelError
from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.video import decode_video
from models.retrieval import ItemIndex
from streams.client import FreshetClient
from streams.codec import decode_value, encode
from streams.errors import DefectError, DependencyDownError
from streams.fields import MODALITIES, Modality
from streams.messages import Item, Media
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import ITEM_VECTORS
from workers.bench.arrivals import due_times
from workers.bench.media_samples import MAKERS, title
from workers.bench.percentiles import SHARES, label, median, percentile
from workers.bench.plain_loops import plain_producer
from workers.bench.rows import Row, row
from workers.bench.run import Bench
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.local_deployment import LocalDeployment
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_index import IndexUpdater

ITEMS_PER_S = 20.0
_WARM_UP_ITEMS = 20
_DRAIN_S = 20.0
_ALONE = 15
_ASKED_FOR = 20


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    seconds = bench.sized(tiny=1.0, short=15.0, long=60.0)
    roles = ("text", "image", "audio", "video", "fuse", "recommend")
    rows: list[Row] = []
    with bench.deployment(dict.fromkeys(roles, 1)) as deployment:
        for modality in MODALITIES:
            bench.say(f"  {modality}: {ITEMS_PER_S:g} items/s for {seconds:g} s")
            alone_ms = _alone_ms(modality, deployment.settings)
            found = asyncio.run(_waits(modality, deployment, seconds))
            setting = {"modality": modality, "items_per_s": ITEMS_PER_S, "items": len(found)}
            rows += [
                row(
                    f"item_to_recommendable_{label(share)}",
                    1e3 * percentile(found, share),
                    "ms",
                    alone_ms,
                    setting,
                )
                for share in SHARES[:-1]
            ]
            deployment.poll()
    return rows


def _item(modality: Modality, number: int) -> Item:
    item_id = f"{modality}-{number}"
    if modality == "text":
        return Item(item_id=item_id, title=title(number))
    data = base64.b64encode(MAKERS[modality](number)).decode()
    return Item(item_id=item_id, media=[Media(kind=modality, data=data)])


class _Arrivals:
    """An index as a recommend worker has it, and when each item came to have its vector there."""

    def __init__(self, dimension: int) -> None:
        self._updater = IndexUpdater(ItemIndex(dimension))
        self.at_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._updater)

    def take(self, value: bytes) -> bool:
        changed = self._updater.take(value)
        vector = decode_value(value, ITEM_VECTORS)
        if vector.vector is not None:
            self.at_s.setdefault(vector.item_id, time.monotonic())
        return changed

    def remove(self, item_id: str, version: Any) -> bool:
        return self._updater.remove(item_id, version)


async def _waits(modality: Modality, deployment: LocalDeployment, seconds: float) -> list[float]:
    """Seconds from due to recommendable of each item after the warm-up."""
    settings = deployment.settings
    topics = TopicNames(settings.topics.prefix)
    fusion = fusion_in_use(settings, encoder_registry(settings))
    offsets_s = due_times(ITEMS_PER_S, _WARM_UP_ITEMS / ITEMS_PER_S + seconds)
    records = [encode(_item(modality, number)) for number in range(len(offsets_s))]
    arrivals = _Arrivals(fusion.dimension)
    follower = VectorsFollower(settings, topics.item_vectors(fusion.space), arrivals)
    await follower.start()
    due: dict[str, float] = {}
    try:
        async with plain_producer(settings) as producer:
            started_s = time.monotonic()
            for number, offset_s in enumerate(offsets_s):
                await asyncio.sleep(max(0.0, started_s + offset_s - time.monotonic()))
                item_id = f"{modality}-{number}"
                if number >= _WARM_UP_ITEMS:
                    due[item_id] = started_s + offset_s
                await producer.send(topics.items, records[number], key=item_id.encode())
            await producer.flush()
        deadline_s = time.monotonic() + _DRAIN_S
        while not due.keys() <= arrivals.at_s.keys() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.05)
    finally:
        await follower.stop()
    found = [arrivals.at_s.get(item_id, math.inf) - at_s for item_id, at_s in due.items()]
    if any(map(math.isinf, found)):
        raise DependencyDownError(
            f"{sum(map(math.isinf, found))} of {len(found)} items with {modality} are not recommendable "
            f"{_DRAIN_S:g} s after the last: the machine does not keep up with {ITEMS_PER_S:g} items/s"
        )
    _check_listed(settings, list(due)[-_ASKED_FOR:])
    return found


def _check_listed(settings: Settings, item_ids: Sequence[str]) -> None:
    """Ask the worker for these items: it has to list them all."""
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        answer = client.ask("somebody", count=len(item_ids), candidates=list(item_ids), timeout_s=30.0)
    missing = set(item_ids) - {item.item_id for item in answer.items}
    if missing:
        raise DefectError(f"recommendable, and yet not listed: {', '.join(sorted(missing)[:5])}")


def _alone_ms(modality: Modality, settings: Settings) -> float:
    """Milliseconds to decode and encode one item, the median of some."""
    encoder: Any = encoder_registry(settings).get(settings.encoders.name_for(modality))
    taken = []
    for number in range(_ALONE + 1):
        data = title(number) if modality == "text" else MAKERS[modality](number)
        started_s = time.perf_counter()
        try:
            encoder.encode([_decoded(modality, data, encoder, settings)])
        except ModelError as error:
            raise DefectError(f"a made-up item cannot be encoded: {error}") from error
        taken.append(1e3 * (time.perf_counter() - started_s))
    return median(taken[1:])


def _decoded(modality: Modality, data: Any, encoder: Any, settings: Settings) -> Any:
    match modality:
        case "text":
            return data
        case "image":
            return decode_image(data, encoder.size_px)
        case "audio":
            return decode_audio(data, None, encoder.sample_rate_hz)
        case "video":
            frames = min(encoder.frames, settings.media.video_frames)
            return VideoInput(
                *decode_video(data, encoder.size_px, frames, None, "crop", encoder.sample_rate_hz)
            )
