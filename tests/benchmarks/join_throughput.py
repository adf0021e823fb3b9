"""How fast the join role is, on a real Kafka and Redis.

``python -m tests.benchmarks.join_throughput BOOTSTRAP_SERVERS REDIS_URL [RECORDS]``: half the records are
lists of 20 items with five reasons each, half changed profiles with one event, by 2,000 people in turn; half
of the events name their list. One worker reads a backlog of both; the clock runs from a tenth to nine tenths.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.codec import encode
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from streams.messages import Cause, Reason, Recommendation, RecommendedItem
from tests.integration.stream.bench import Stream

PEOPLE = 2_000
ITEMS = [f"item-{number:05d}" for number in range(5_000)]
STATE = b"s" * 2_000


def messages(number: int, at: datetime, chance: random.Random) -> tuple[str, Recommendation, ProfileChanged]:
    """A person's list, and what they did with it a second later."""
    user_id = f"user-{number % PEOPLE}"
    shown = Recommendation(
        recommendation_id=f"list-{number}",
        user_id=user_id,
        profile_version=number,
        cause=Cause(kind="request", id=f"request-{number}"),
        items=[
            RecommendedItem(
                item_id=item_id,
                score=1.0,
                reasons=[Reason(kind=f"kind-{part}", contribution=0.2) for part in range(5)],
            )
            for item_id in chance.sample(ITEMS, 20)
        ],
        model="base.bench",
        generated_at=at,
        complete=True,
    )
    did = at + timedelta(seconds=1)
    event = AppliedEvent(
        event_id=f"event-{number}",
        item_id=shown.items[number % 20].item_id,
        action="click",
        weight=1.0,
        occurred_at=did,
        recommendation_id=shown.recommendation_id if number % 2 else None,
    )
    cause = EventCause(event_id=event.event_id, occurred_at=did, published_at=did)
    changed = ProfileChanged(user_id=user_id, version=number, cause=cause, state=STATE, applied=[event])
    return user_id, shown, changed


def main(bootstrap_servers: str, redis_url: str, records: int) -> None:
    """Publish, start a worker, and print what it did a second."""
    chance = random.Random(5)
    start = datetime.now(UTC) - timedelta(hours=1)
    prefix = f"b{secrets.token_hex(4)}."
    # A broker's default allows no shorter ones.
    session = {"session_timeout_s": 10.0, "heartbeat_interval_s": 3.0}
    with (
        tempfile.TemporaryDirectory() as logs,
        Stream(bootstrap_servers, redis_url, prefix, Path(logs), kafka=session) as stream,
    ):
        for number in range(records // 2):
            at = start + timedelta(milliseconds=100 * number)
            user_id, shown, changed = messages(number, at, chance)
            for topic, message, delay_s in (
                (stream.names.recommendations, shown, 0.0),
                (stream.names.profiles, changed, 1.01),
            ):
                stream.producer.send(
                    topic,
                    key=user_id.encode(),
                    value=encode(message),
                    timestamp_ms=round((at.timestamp() + delay_s) * 1_000),
                )
        stream.producer.flush()
        (worker,) = stream.start("join")

        def applied() -> int:
            fences: dict[bytes, bytes] = stream.redis.hgetall(f"{stream.prefix}fence:join")  # type: ignore[assignment]
            return sum(map(int, fences.values()))

        marks: list[tuple[int, float]] = []
        while (done := applied()) < 0.9 * records:
            assert worker.poll() is None, stream.log_of("join")[-3_000:]
            if done >= 0.1 * records:
                marks.append((done, time.perf_counter()))
            time.sleep(0.02)
        (first, began_s), (last, ended_s) = marks[0], (done, time.perf_counter())
        cpu_s = sum(map(int, Path(f"/proc/{worker.pid}/stat").read_text().split()[13:15])) / 100
        print(
            json.dumps(
                {
                    "records_per_s": round((last - first) / (ended_s - began_s)),
                    "cpu_us_a_record_with_start": round(cpu_s / done * 1e6),
                    "state_bytes_a_person": stream.redis.strlen(f"{stream.prefix}exposures:user-0"),
                }
            )
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 40_000)
