"""A deployment in a temporary folder with a data set's catalogue in it, for one evaluation."""

from __future__ import annotations

import base64
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.parser import text_string_to_metric_families

from models.datasets import Dataset, DatasetItem
from streams.client import FreshetClient
from streams.errors import DependencyDownError
from streams.fields import Modality
from streams.keys import partition_of
from streams.messages import Item, Media
from workers.demo.stage import wait_until_encoded
from workers.flags import Flags
from workers.local_deployment import LocalDeployment

_POLL_S = 0.005
_METRICS_TIMEOUT_S = 10.0


@contextmanager
def temporary_deployment(
    flags: Flags, config: Path | None, say: Callable[[str], None]
) -> Iterator[LocalDeployment]:
    """Kafka, Redis and one worker of each role of its own; nothing is left behind."""
    with (
        TemporaryDirectory(prefix="freshet-evaluation-", ignore_cleanup_errors=True) as folder,
        LocalDeployment(flags=flags, config=config, data_folder=Path(folder), say=say) as deployment,
    ):
        yield deployment


def items_of(dataset: Dataset, modalities: Collection[Modality]) -> list[Item]:
    """A data set's items as messages, media inline; vectors of encoders that nobody has are left out."""
    return [_item(item, modalities) for item in dataset.items()]


def publish_catalogue(
    deployment: LocalDeployment,
    client: FreshetClient,
    items: list[Item],
    on_progress: Callable[[int, int], None],
) -> None:
    """Publish items, and wait until the recommend worker holds the last revision of each.

    Raises:
        DependencyDownError: It takes too long.
    """
    client.publish_items(items)
    # A minute for a thousand items is a tenth of the speed of two slow cores.
    wait_until_encoded(deployment, tuple(items), on_progress, timeout_s=120.0 + 0.06 * len(items))
    # What a partition of vectors holds is read in order: once its marker is there, so is all before it.
    partitions = deployment.settings.topics.item_partitions
    markers = [
        Item(item_id=marker, title="marker", available=False) for marker in _one_id_per_partition(partitions)
    ]
    client.publish_items(markers)
    await_gauge(deployment, "recommend", "freshet_index_items", len(items) + len(markers))


def await_gauge(
    deployment: LocalDeployment,
    role: str,
    name: str,
    least: float,
    timeout_s: float = 60.0,
    **labels: str,
) -> None:
    """Wait until a gauge of a role's worker has reached a value.

    Raises:
        DependencyDownError: It does not, or the worker does not have it.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = gauge(deployment, role, name, **labels)
        if value is not None and value >= least:
            return
        if time.monotonic() > deadline_s:
            raise DependencyDownError(
                f"`{name}` of the {role} worker is {value}, and not {least:g} after {timeout_s:g} s"
            )
        deployment.poll()
        time.sleep(_POLL_S)


def gauge(deployment: LocalDeployment, role: str, name: str, **labels: str) -> float | None:
    """A gauge of a role's worker; None where it has none of this name and these labels."""
    port = next(worker.port for worker in deployment.supervisor.workers() if worker.role == role)
    url = f"http://{deployment.health_host}:{port}/metrics"
    with urllib.request.urlopen(url, timeout=_METRICS_TIMEOUT_S) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        if family.name == name:
            for sample in family.samples:
                if labels.items() <= sample.labels.items():
                    return float(sample.value)
    return None


def _item(item: DatasetItem, modalities: Collection[Modality]) -> Item:
    has_text = "text" in modalities
    media = [
        Media(kind=kind, data=base64.b64encode(data).decode())
        for kind in ("image", "audio", "video")
        if kind in modalities
        for data in item.media.get(kind, ())
    ]
    return Item(
        item_id=item.item_id,
        title=item.title if has_text else "",
        description=item.description if has_text else "",
        media=media,
        attributes={
            name: value if isinstance(value, bool | int | float | str) else list(value)
            for name, value in item.attributes.items()
        },
        available=item.available,
        created_at=datetime.fromtimestamp(item.created_at_ms / 1_000, UTC),
    )


def _one_id_per_partition(partitions: int) -> list[str]:
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        marker = f"evaluation-marker-{number}"
        found.setdefault(partition_of(marker, partitions), marker)
        number += 1
    return list(found.values())
