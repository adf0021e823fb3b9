"""The titles and descriptions of the items that Kafka still holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.preprocessing.text import item_text
from streams.codec import decode_record
from streams.errors import BadInputError, ConfigurationError
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import ITEMS


@dataclass(frozen=True, slots=True)
class RetainedTexts:
    """Texts as encoders get them, of items in the order of their ids; messages that are no valid items."""

    texts: tuple[str, ...]
    refused: int


def retained_texts(
    settings: Settings,
    max_characters: int,
    on_progress: Callable[[int], None] = lambda read: None,
) -> RetainedTexts:
    """The newest text of every item that is not withdrawn and has one.

    Args:
        settings: Kafka and topics.
        max_characters: Of a text, what is kept.
        on_progress: Told how many records were read.

    Raises:
        ConfigurationError: The topic does not exist, or holds no text.
        DependencyDownError: Kafka does not answer.
    """
    topic = TopicNames(settings.topics.prefix).items
    held: dict[str, str] = {}
    refused = 0
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        for number, record in enumerate(reader.read_to_end(), 1):
            on_progress(number)
            if record.value is None:
                if record.key is not None:
                    held.pop(record.key.decode("utf-8", "replace"), None)
                continue
            try:
                item = decode_record(record, ITEMS)
            except BadInputError:
                refused += 1
                continue
            held[item.item_id] = item_text(item.title, item.description, max_characters)
    texts = tuple(text for _, text in sorted(held.items()) if text)
    if not texts:
        raise ConfigurationError(f"`{topic}` holds no item with a text: publish a catalogue first")
    return RetainedTexts(texts, refused)
