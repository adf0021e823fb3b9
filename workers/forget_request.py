"""Asking for an erasure, and waiting for its receipt."""

from __future__ import annotations

import time
from datetime import datetime

from streams.client import FreshetClient
from streams.codec import decode_record, outgoing
from streams.errors import BadInputError
from streams.messages import Erasure, ErasureReceipt
from streams.person_hash import person_hash
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader

_POLL_S = 0.5


def forget_person(
    settings: Settings, user_id: str, requested_at: datetime, timeout_s: float
) -> ErasureReceipt | None:
    """Publish an erasure, and wait for the receipt; None where none came in time.

    The erasure is carried out in any case, as soon as a profile worker runs.

    Args:
        timeout_s: 0 does not wait.

    Raises:
        ConfigurationError: Kafka refuses, or there is no such topic.
        DependencyDownError: Kafka does not answer.
    """
    names = TopicNames(settings.topics.prefix)
    person = person_hash(user_id, settings.privacy.hash_key)
    erasure = Erasure(user_id=user_id, requested_at=requested_at)
    with TopicReader(settings.kafka, names.erasure_receipts, "end") as receipts:
        with FreshetClient(settings.kafka, settings.topics.prefix) as client:
            client.publish([outgoing(names.erasures, erasure)])
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            for record in receipts.poll(min(left_s, _POLL_S)):
                try:
                    receipt = decode_record(record, ErasureReceipt)
                except BadInputError:
                    continue
                if receipt.user == person and receipt.requested_at == requested_at:
                    return receipt
    return None
