"""What becomes of a message that our own code fails on."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from streams.dead_letters import dead_letter_outgoing
from streams.driver import Delivery
from streams.driver.delivery import PoisonHandler
from streams.errors import ModelFailedError
from streams.topic_names import TopicNames
from workers.ports import Publisher

_log = structlog.get_logger()


def poison_to_dead_letters(role: str, topics: TopicNames, publisher: Publisher) -> PoisonHandler:
    """What our own defect does to a message must not stop the others, nor vanish."""

    async def to_dead_letters(delivery: Delivery, error: Exception) -> None:
        _log.error("defect: a message cannot be processed", role=role, exc_info=error)
        failure = ModelFailedError(f"defect in role {role}: {type(error).__name__}: {error}")
        now = datetime.now(UTC)
        await publisher.publish(
            [dead_letter_outgoing(topics.dead_letters, delivery.record, role, failure, now)]
        )

    return to_dead_letters
