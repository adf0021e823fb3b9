"""Full names of topics under a deployment's prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from streams import topics
from streams.errors import ConfigurationError
from streams.topics import TOPICS, Topic

# Kafka's own rule for the name of a topic.
_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Full names, for example ``TopicNames("freshet.").events`` is ``"freshet.events"``."""

    prefix: str = "freshet."

    def of(self, topic: Topic[Any], space: str | None = None) -> str:
        """The full name of a topic.

        Args:
            topic: An entry of `streams.topics`.
            space: The id of the vector space; for `item-vectors`, and only there.

        Raises:
            ConfigurationError: Kafka would refuse the name.
        """
        if (space is not None) != (topic is topics.ITEM_VECTORS):
            raise ConfigurationError(f"topic `{topic.name}`: a vector space goes with `item-vectors` only")
        name = f"{self.prefix}{topic.name}" + (f".{space}" if space is not None else "")
        if not _LEGAL.fullmatch(name):
            raise ConfigurationError(
                f"`{name[:300]}` cannot be the name of a topic: use 1 to 249 of the characters "
                "a–z, A–Z, 0–9, `.`, `_` and `-`; change the prefix or the name of the vector space"
            )
        return name

    def topic_of(self, name: str) -> Topic[Any] | None:
        """The entry of a full name, or None where it is no topic of this deployment."""
        if not name.startswith(self.prefix):
            return None
        base = name.removeprefix(self.prefix)
        for topic in TOPICS:
            if topic is topics.ITEM_VECTORS:
                if base.startswith(f"{topic.name}."):
                    return topic
            elif base == topic.name:
                return topic
        return None

    @property
    def items(self) -> str:
        """What there is to recommend."""
        return self.of(topics.ITEMS)

    @property
    def events(self) -> str:
        """What people do."""
        return self.of(topics.EVENTS)

    @property
    def recommendation_requests(self) -> str:
        """Pages that ask for a list."""
        return self.of(topics.RECOMMENDATION_REQUESTS)

    @property
    def recommendations(self) -> str:
        """Lists."""
        return self.of(topics.RECOMMENDATIONS)

    @property
    def outcomes(self) -> str:
        """What people did with their lists."""
        return self.of(topics.OUTCOMES)

    @property
    def learned(self) -> str:
        """What is learned across people."""
        return self.of(topics.LEARNED)

    @property
    def explanations(self) -> str:
        """Words for lists."""
        return self.of(topics.EXPLANATIONS)

    @property
    def models(self) -> str:
        """Bundles of models."""
        return self.of(topics.MODELS)

    @property
    def erasures(self) -> str:
        """People who ask to be forgotten."""
        return self.of(topics.ERASURES)

    @property
    def erasure_receipts(self) -> str:
        """What was removed."""
        return self.of(topics.ERASURE_RECEIPTS)

    @property
    def dead_letters(self) -> str:
        """What could not be processed."""
        return self.of(topics.DEAD_LETTERS)

    @property
    def item_features(self) -> str:
        """Vectors of single modalities."""
        return self.of(topics.ITEM_FEATURES)

    @property
    def profiles(self) -> str:
        """People's histories."""
        return self.of(topics.PROFILES)

    def item_vectors(self, space: str) -> str:
        """Fused vectors of one space."""
        return self.of(topics.ITEM_VECTORS, space)
