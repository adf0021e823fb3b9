"""Topics, the client and dead letters on a real Kafka."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from streams.client import FreshetClient
from streams.codec import decode_record, outgoing
from streams.dead_letter_box import replay, stored_dead_letter, stored_dead_letters
from streams.dead_letters import dead_letter_outgoing
from streams.errors import ConfigurationError, DependencyDownError, InvalidError, MediaUnreadableError
from streams.keys import partition_of
from streams.messages import Cause, Event, Item, Media, Recommendation, RecommendationRequest
from streams.records import Outgoing, Record
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.topic_admin import check_topics, create_topics, list_topics
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.fixture
def settings(kafka: Any, topic_prefix: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, request_timeout_s=60),
        topics=TopicSettings(prefix=topic_prefix, user_partitions=3, item_partitions=2),
    )


@pytest.fixture
def names(topic_prefix: str) -> TopicNames:
    return TopicNames(topic_prefix)


@pytest.fixture
def client(settings: Settings) -> Iterator[FreshetClient]:
    create_topics(settings)
    with FreshetClient(settings.kafka, settings.topics.prefix) as client:
        yield client


@pytest.fixture
def admin(settings: Settings) -> Iterator[Any]:
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    yield admin
    admin.close()


def read(settings: Settings, topic: str) -> list[Record]:
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        return list(reader.read_to_end())


def event(number: int, user_id: str = "anna") -> Event:
    return Event(event_id=str(number), user_id=user_id, item_id="i", action="click", occurred_at=NOW)


def answer(request: RecommendationRequest) -> Recommendation:
    return Recommendation(
        recommendation_id=f"request:{request.request_id}",
        user_id=request.user_id,
        profile_version=0,
        cause=Cause(kind="request", id=request.request_id),
        items=[],
        model="test",
        generated_at=NOW,
        complete=False,
        shortfall=f"count {request.count}",
    )


def test_topics_are_created_once_and_found_in_order(settings: Settings, names: TopicNames) -> None:
    created = create_topics(settings, ["space-1"])
    assert names.items in created
    assert names.item_vectors("space-1") in created
    assert create_topics(settings, ["space-1"]) == []
    assert check_topics(settings, ["space-1"]) == []
    partitions = {state.name: state.partitions for state in list_topics(settings)}
    assert (partitions[names.events], partitions[names.items], partitions[names.models]) == (3, 2, 1)
    assert partitions[names.item_vectors("space-1")] == 2, "a space that Kafka knows is listed unasked"


def test_several_processes_may_create_topics_at_once(settings: Settings, names: TopicNames) -> None:
    created: list[str] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            created.extend(create_topics(settings))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(created) == sorted({state.name for state in list_topics(settings)})


def test_what_differs_from_the_contract_is_found(settings: Settings, names: TopicNames, admin: Any) -> None:
    admin.create_topics([NewTopic(names.items, 1, 1, topic_configs={"cleanup.policy": "compact,delete"})])
    admin.create_topics([NewTopic(names.profiles, 5, 1, topic_configs={"cleanup.policy": "compact"})])
    before = {finding.topic: finding.problem for finding in check_topics(settings)}
    assert before[names.events] == "the topic does not exist"
    create_topics(settings)
    found = [
        (finding.topic, finding.problem) for finding in check_topics(settings) if finding.severity == "error"
    ]
    assert (names.items, "`cleanup.policy` is compact,delete, not compact") in found
    assert (names.items, "1 partitions where another topic keyed by item has 2") in found
    assert (names.events, "3 partitions where another topic keyed by user has 5") in found
    assert not [name for name, _ in found if name == names.models]


def test_more_replicas_than_brokers_is_a_matter_of_configuration(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="replication_factor"):
        create_topics(
            Settings(
                kafka=KafkaSettings(
                    bootstrap_servers=settings.kafka.bootstrap_servers, replication_factor=1_000
                ),
                topics=settings.topics,
            )
        )


def test_no_kafka_is_a_dependency_down() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=1)
    with pytest.raises(DependencyDownError, match=r"127\.0\.0\.1:1"):
        FreshetClient(nowhere)
    with pytest.raises(DependencyDownError, match=r"127\.0\.0\.1:1"):
        create_topics(Settings(kafka=nowhere))


def test_a_plain_consumer_reads_what_the_client_publishes(
    client: FreshetClient, settings: Settings, names: TopicNames
) -> None:
    client.publish_items([Item(item_id=f"item-{number}", title="Lamp") for number in range(3)])
    client.withdraw_item("item-1")
    assert client.publish_events(event(number, f"user-{number % 7}") for number in range(2_500)) == 2_500
    consumer = KafkaConsumer(
        names.items,
        names.events,
        bootstrap_servers=settings.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    seen = []
    for raw in consumer:
        seen.append(raw)
        if len(seen) == 2_504:
            break
    consumer.close()
    items = {raw.key.decode(): raw.value for raw in seen if raw.topic == names.items}
    assert items["item-1"] is None
    assert json.loads(items["item-2"]) == {"item_id": "item-2", "title": "Lamp"}
    events = [raw for raw in seen if raw.topic == names.events]
    assert sorted(int(json.loads(raw.value)["event_id"]) for raw in events) == list(range(2_500))
    assert all(raw.partition == partition_of(raw.key.decode(), 3) for raw in events)


def test_a_reader_goes_to_a_time(client: FreshetClient, settings: Settings, names: TopicNames) -> None:
    # Times of this hour: what is older than the topic's retention Kafka may delete at any moment.
    start_ms = int(time.time() * 1000) - 3_600_000
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    for offset_ms in range(0, 10_000, 1_000):
        # A topic that keeps the times that its producers give.
        producer.send(names.outcomes, key=b"anna", value=b"%d" % offset_ms, timestamp_ms=start_ms + offset_ms)
    producer.close()
    with TopicReader(settings.kafka, names.outcomes, "beginning") as reader:
        for offset_ms, first in ((-10_000, 0), (4_500, 5_000), (9_000, 9_000), (9_001, None)):
            reader.seek_to_time(start_ms + offset_ms)
            found = [int(record.value or b"") for record in reader.read_to_end()]
            assert found == ([] if first is None else list(range(first, 10_000, 1_000)))


def test_ask_awaits_its_own_answer_and_streams_see_every_list(
    client: FreshetClient, settings: Settings, names: TopicNames
) -> None:
    stop = threading.Event()
    requests = TopicReader(settings.kafka, names.recommendation_requests, "end")

    def recommend() -> None:
        while not stop.is_set():
            for record in requests.poll(0.1):
                request = decode_record(record, RecommendationRequest)
                other = msgspec.structs.replace(
                    answer(request), cause=Cause(kind="event", id=request.request_id)
                )
                lists = [other, answer(request)]
                client.publish(outgoing(names.recommendations, list_) for list_ in lists)
                client.publish([Outgoing(names.recommendations, request.user_id.encode(), b"not json")])

    worker = threading.Thread(target=recommend)
    with client.recommendations("anna", silence_s=60) as stream:
        worker.start()
        try:
            answers = [
                client.ask(user_id, count=count, request_id=f"{user_id}-{count}", timeout_s=60)
                for user_id, count in [("anna", 3), ("bert", 4), ("anna", 5)]
            ]
            followed = [next(stream) for _ in range(4)]
        finally:
            stop.set()
            worker.join()
            requests.close()
    assert [(list_.user_id, list_.shortfall) for list_ in answers] == [
        ("anna", "count 3"),
        ("bert", "count 4"),
        ("anna", "count 5"),
    ]
    assert all(list_.cause.kind == "request" for list_ in answers)
    assert [list_.cause.id for list_ in followed] == ["anna-3", "anna-3", "anna-5", "anna-5"]
    with client.recommendations(from_beginning=True, silence_s=60) as stream:
        assert len([next(stream) for _ in range(6)]) == 6
    with client.recommendations(from_beginning=True, silence_s=1) as stream:
        assert len(list(stream)) <= 6


def test_no_answer_in_time_says_so(client: FreshetClient) -> None:
    with pytest.raises(DependencyDownError, match="recommend"):
        client.ask("anna", timeout_s=0.3)


def test_a_wrong_prefix_is_named_at_once(settings: Settings) -> None:
    with FreshetClient(settings.kafka, "nobody-has-this.") as client:
        with pytest.raises(ConfigurationError, match=r"nobody-has-this\.items"):
            client.publish_item(Item(item_id="i"))
        with pytest.raises(ConfigurationError, match=r"nobody-has-this\.recommendations"):
            client.recommendations()


def test_what_kafka_refuses_does_not_spoil_what_comes_after(
    client: FreshetClient, settings: Settings, names: TopicNames, admin: Any
) -> None:
    too_large = Item(item_id="large", media=[Media(kind="image", data="A" * (8 << 20))])
    with pytest.raises(InvalidError):
        client.publish_item(too_large)
    # The broker's own refusal, after the producer has let it pass, breaks an idempotent producer.
    smaller = f"{settings.topics.prefix}smaller"
    admin.create_topics([NewTopic(smaller, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    admin.wait_for_topics([smaller])
    with pytest.raises(InvalidError):
        client.publish([Outgoing(smaller, None, b"x" * 5_000)])
    client.publish_item(Item(item_id="after"))
    assert [record.key for record in read(settings, names.items)] == [b"after"]


def test_the_largest_message_passes(client: FreshetClient, settings: Settings, names: TopicNames) -> None:
    client.publish_item(Item(item_id="large", media=[Media(kind="image", data="A" * ((8 << 20) - 512))]))
    (record,) = read(settings, names.items)
    assert decode_record(record, Item).item_id == "large"


def test_an_error_on_the_way_leaves_what_came_before_published(
    client: FreshetClient, settings: Settings, names: TopicNames
) -> None:
    def items() -> Iterator[Item]:
        yield Item(item_id="first")
        raise RuntimeError("the file ends here")

    with pytest.raises(RuntimeError):
        client.publish_items(items())
    assert [record.key for record in read(settings, names.items)] == [b"first"]


def test_records_are_read_by_offset(client: FreshetClient, settings: Settings, names: TopicNames) -> None:
    client.publish_events(event(number) for number in range(20))
    partition = partition_of("anna", 3)
    with TopicReader(settings.kafka, names.events, "beginning") as reader:
        record = reader.read_at(partition, 7)
        assert record is not None
        assert decode_record(record, Event).event_id == "7"
        assert reader.read_at(partition, 20) is None
        assert reader.read_at(99, 0) is None


def test_a_reader_ends_where_the_topic_ended_before(
    client: FreshetClient, settings: Settings, names: TopicNames
) -> None:
    client.publish_events(event(number) for number in range(5))
    with TopicReader(settings.kafka, names.events, "beginning") as reader:
        ends = reader.ends()
        client.publish_events(event(number) for number in range(5, 9))
        found = [decode_record(record, Event).event_id for record in reader.read_to_end(ends)]
        assert found == ["0", "1", "2", "3", "4"]
        reader.seek_to_beginning()
        assert list(reader.read_to_end({})) == []


def test_dead_letters_are_listed_once_and_replayed(
    client: FreshetClient, settings: Settings, names: TopicNames
) -> None:
    client.publish([Outgoing(names.events, b"anna", b'{"broken"')])
    large = Item(item_id="large", media=[Media(kind="image", data="A" * 600_000)])
    client.publish_item(large)
    sources = [*read(settings, names.events), *read(settings, names.items)]
    for source in sources + sources[:1]:
        letter = dead_letter_outgoing(names.dead_letters, source, "text", MediaUnreadableError("bad"), NOW)
        client.publish([letter])

    stored = list(stored_dead_letters(settings))
    assert [one.letter.source.topic for one in stored] == [names.events, names.items]
    assert stored_dead_letter(settings, stored[1].number) == stored[1]
    assert stored_dead_letter(settings, 999) is None
    assert stored[1].letter.payload is None, "over 512 kB: taken from the source topic"

    for one in stored:
        replay(settings, client, one)
    assert [record.value for record in read(settings, names.events)] == [b'{"broken"'] * 2
    first, second = read(settings, names.items)
    assert (second.key, second.value) == (first.key, first.value)
    with pytest.raises(InvalidError, match="published again"):
        replay(settings, client, stored[1])


def test_a_dead_letter_of_another_deployment_is_not_replayed(
    client: FreshetClient, settings: Settings
) -> None:
    foreign = Record("elsewhere.events", "u", 0, 0, 0, b"anna", b"{}")
    names = TopicNames(settings.topics.prefix)
    client.publish([dead_letter_outgoing(names.dead_letters, foreign, "text", InvalidError("x"), NOW)])
    (stored,) = stored_dead_letters(settings)
    with pytest.raises(InvalidError, match="elsewhere"):
        replay(settings, client, stored)


def test_a_topic_that_ends_with_a_transaction_marker_is_read_to_its_end(
    settings: Settings, admin: Any
) -> None:
    topic = f"{settings.topics.prefix}transactional"
    admin.create_topics([NewTopic(topic, 1, 1)], wait_for_metadata=True)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"{topic}-producer"
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"value")
    producer.commit_transaction()
    producer.close()
    assert [record.value for record in read(settings, topic)] == [b"value"]
