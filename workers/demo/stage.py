"""A Freshet in a temporary folder with the catalogue published: where the demo plays."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.demo.catalogue import Catalogue
from streams.codec import decode_record
from streams.errors import BadInputError, DependencyDownError
from streams.internal_messages import ItemVector
from streams.messages import DeadLetter, Item
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment
from workers.roles import ROLES, Role

ENCODE_TIMEOUT_S = 300.0
# So that a killed worker's partitions move soon. The broker's own lower bound is 6 s.
_SESSION_TIMEOUT_S = 3.0
_KAFKA_CONFIG = {"group.min.session.timeout.ms": "1000"}


@contextmanager
def stage(
    flags: Flags,
    catalogue: Catalogue,
    say: Callable[[str], None],
    *,
    with_console: bool = False,
    roles: Sequence[Role] = ROLES,
) -> Iterator[LocalDeployment]:
    """Start everything; on leaving stop it, and remove the folder.

    Args:
        flags: Settings beside those that the demo needs.
        say: Told what happens, in lines for a person.
        with_console: Serve the web page as well.
        roles: One worker of each.
    """
    folder = Path(tempfile.mkdtemp(prefix="freshet-demo-"))
    needed: Flags = {
        "media": {"file_roots": [str(catalogue.media_root)]},
        "kafka": {"session_timeout_s": _SESSION_TIMEOUT_S, "heartbeat_interval_s": _SESSION_TIMEOUT_S / 4},
    }
    try:
        with LocalDeployment(
            flags=merged(flags, needed),
            data_folder=folder,
            workers=dict.fromkeys(roles, 1),
            console=with_console,
            extra_kafka_config=_KAFKA_CONFIG,
            say=say,
        ) as deployment:
            yield deployment
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def expected_modalities(item: Item) -> frozenset[str]:
    """What of an item is to be encoded."""
    text = {"text"} if item.title or item.description else set()
    return frozenset(text | {medium.kind for medium in item.media})


def wait_until_encoded(
    deployment: LocalDeployment,
    items: tuple[Item, ...],
    progress: Callable[[int, int], None],
    timeout_s: float = ENCODE_TIMEOUT_S,
) -> None:
    """Wait until each item's vector has every modality of it.

    Args:
        progress: Told how many items are done, and of how many.

    Raises:
        DependencyDownError: It takes too long; says what is missing and what was refused.
    """
    settings = deployment.settings
    space = fusion_in_use(settings, encoder_registry(settings)).space
    topic = TopicNames(settings.topics.prefix).item_vectors(space)
    waiting = {item.item_id: expected_modalities(item) for item in items}
    deadline_s = time.monotonic() + timeout_s
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        while waiting:
            deployment.poll()
            for record in reader.poll(0.2):
                vector = decode_record(record, ItemVector)
                if waiting.get(vector.item_id) == frozenset(vector.modalities):
                    del waiting[vector.item_id]
            progress(len(items) - len(waiting), len(items))
            if waiting and time.monotonic() > deadline_s:
                some = ", ".join(sorted(waiting)[:5])
                refused = "; ".join(dead_letters(settings)[:5]) or "nothing"
                raise DependencyDownError(
                    f"{len(waiting)} of {len(items)} items are not encoded within {timeout_s:g} s: {some} …; "
                    f"refused: {refused}; the machine may be too busy"
                )


def dead_letters(settings: Settings) -> list[str]:
    """What was refused so far: stage, key, reason and detail of each."""
    topic = TopicNames(settings.topics.prefix).dead_letters
    found = []
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        for record in reader.read_to_end():
            try:
                letter = decode_record(record, DeadLetter)
            except BadInputError as error:
                found.append(f"unreadable dead letter: {error.detail}")
                continue
            found.append(f"{letter.stage}, {letter.source.key}: {letter.reason}: {letter.detail}")
    return found
