"""Everybody with the least permissions, over TLS and SASL to Kafka and TLS to Redis: all works, and no more.

Kafka writes down what it allows each one to do. What is granted and not done is listed here, with the reason.
That nobody may do more than they need in Redis is shown by tests/contract/test_redis_permissions.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError
from redis.exceptions import NoPermissionError

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from deploy.embedded.ports import free_port
from streams.access import CLIENT, CONSOLE, OPERATOR, OTHERS, kafka_grants
from streams.cluster import Cluster
from streams.fields import MODALITIES
from streams.kafka_connection import kafka_python_arguments
from streams.messages import Event, Item, RecommendationRequest
from streams.settings import KafkaSettings, load_settings
from streams.topic_admin import list_topics
from streams.topic_reader import TopicReader
from tests.conftest import KAFKA_TEST_CONFIG
from tests.integration.stream.bench import Stream, event
from tests.integration.stream.kafka_audit import AUDIT, KafkaAudit
from tests.integration.stream.tls_proxy import TlsProxy
from tests.integration.streams.test_client_over_tls import make_certificate
from tests.unit.preprocessing.media_samples import quadrants, saved, sound_file, tone, video_file
from workers.cli.running import run
from workers.console.console import Console
from workers.role_groups import role_groups
from workers.roles import ROLES
from workers.state.access import REDIS_USERS, redis_rules

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
USERS = (*ROLES, *OTHERS)
SCRAM = {"profile": "SCRAM-SHA-512", "recommend": "SCRAM-SHA-256"}
COMMANDS = (
    ("topics", "create", "-o", "topics.user_partitions=1", "-o", "topics.item_partitions=1"),
    ("topics", "list"),
    ("models", "list"),
    ("dead-letters", "list"),
    ("doctor",),
    ("export", "anna"),
    ("forget", "anna", "--timeout", "180"),
)
# What takes a bad message, a swap of models, a state that was lost, or a command that publishes.
NOT_IN_THIS_RUN = {role: {("dead-letters", "Write")} for role in ROLES} | {
    "fuse": {("dead-letters", "Write"), ("models", "Write")},
    "recommend": {("dead-letters", "Write"), ("models", "Write")},
    "join": {("dead-letters", "Write"), ("outcomes", "Read")},
    CONSOLE: set(),
    OPERATOR: {(name, "Write") for name in ("items", "events", "recommendation-requests", "models")},
}
_OPERATIONS = {
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
    "Create": ACLOperation.CREATE,
}


class Fortress:
    """A Kafka and a Redis where each role has a user of its own, with the generated permissions."""

    def __init__(
        self,
        stream: Stream,
        secure_port: int,
        tls: TlsProxy,
        certificate: Path,
        audit: KafkaAudit,
    ) -> None:
        self.stream = stream
        self.tls = tls
        self.audit = audit
        self._certificate = certificate
        self._secure_port = secure_port
        self.passwords = {user: passwords()[user] for user in USERS}
        self._plain_sections = dict(stream.sections)
        self._allow()

    def _allow(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.stream.settings.kafka.bootstrap_servers)
        try:
            answers = admin.alter_user_scram_credentials(
                [
                    UserScramCredentialUpsertion(f"freshet-{role}", mechanism, self.passwords[role])
                    for role, mechanism in SCRAM.items()
                ]
            )
            assert not any(answers.values()), answers
            for role in USERS:
                for grant in kafka_grants(role, self.stream.names, self.stream.space):
                    kind = ResourceType.TOPIC if grant.kind == "topic" else ResourceType.GROUP
                    admin.create_acls(
                        [
                            ACL(
                                f"User:freshet-{role}",
                                "*",
                                _OPERATIONS[one],
                                ACLPermissionType.ALLOW,
                                ResourcePattern(
                                    kind,
                                    grant.name,
                                    ACLResourcePatternType.PREFIXED
                                    if grant.prefixed
                                    else ACLResourcePatternType.LITERAL,
                                ),
                            )
                            for one in grant.operations
                        ]
                    )
        finally:
            admin.close()
        for role in REDIS_USERS:
            rules = redis_rules(role, self.stream.prefix)
            password = f">{self.passwords[role]}"
            self.stream.redis.execute_command(
                "ACL", "SETUSER", f"freshet-{role}", "reset", "on", password, *rules
            )

    def kafka(self, role: str) -> dict[str, Any]:
        """Settings by which a role reaches Kafka."""
        return {
            **self._plain_sections["kafka"],
            "bootstrap_servers": f"127.0.0.1:{self._secure_port}",
            "security_protocol": "SASL_SSL",
            "ssl_ca_file": str(self._certificate),
            "sasl_mechanism": SCRAM.get(role, "PLAIN"),
            "sasl_username": f"freshet-{role}",
            "sasl_password": self.passwords[role],
            "request_timeout_s": 60,
        }

    def redis_url(self, role: str) -> str:
        return f"rediss://freshet-{role}:{self.passwords[role]}@127.0.0.1:{self.tls.port}/0"

    def sections(self, user: str) -> dict[str, Any]:
        """Settings by which somebody reaches Kafka, and Redis where they may."""
        reaches = {
            **self._plain_sections,
            "kafka": self.kafka(user),
            "redis": {"url": "redis://127.0.0.1:9/0"},
        }
        if user in REDIS_USERS:
            reaches["redis"] = {"url": self.redis_url(user), "ca_file": str(self._certificate)}
        return reaches

    def unused(self, user: str) -> set[tuple[str, str]]:
        """What somebody may do in Kafka and has not done: name without the prefix, and operation."""
        prefix = self.stream.prefix
        unused = self.audit.unused(
            f"freshet-{user}", kafka_grants(user, self.stream.names, self.stream.space)
        )
        return {(name.removeprefix(prefix), operation) for name, operation in unused}

    def start(self) -> None:
        for role in ROLES:
            self.stream.sections = self.sections(role)
            self.stream.start(role)
        self.stream.sections = self._plain_sections

    def logs(self) -> str:
        return "\n".join(self.stream.log_of(role) for role in ROLES)

    def connect(self, role: str, kind: type[Any], **options: Any) -> Any:
        return kind(**kafka_python_arguments(KafkaSettings(**self.kafka(role))), **options)


_passwords: dict[str, str] = {}


def passwords() -> dict[str, str]:
    """One a role; the broker's configuration and the roles must agree."""
    return (
        _passwords or _passwords.update({user: f"pw-{secrets.token_hex(8)}" for user in USERS}) or _passwords
    )


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    folder = tmp_path_factory.mktemp("fortress")
    certificate, key = make_certificate(folder)
    store = folder / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    port = free_port()
    users = " ".join(f'user_freshet-{role}="{password}"' for role, password in passwords().items())
    module = "org.apache.kafka.common.security"
    config = KAFKA_TEST_CONFIG | {
        "listeners": f"SECURE://127.0.0.1:{port}",
        "advertised.listeners": f"SECURE://127.0.0.1:{port}",
        "listener.security.protocol.map": "SECURE:SASL_SSL",
        "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.secure.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {users};",
        "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(store),
        # Who is not let in by name may do nothing. The test itself, and the broker, come in without a name.
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with ExitStack() as opened:
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("JAVA_TOOL_OPTIONS", AUDIT)
        kafka = opened.enter_context(EmbeddedKafka(folder / "kafka", extra_config=config))
        server = opened.enter_context(EmbeddedRedis(folder / "redis"))
        tls = opened.enter_context(TlsProxy(server.port, certificate, key))
        stream = Stream(
            kafka.bootstrap_servers,
            server.url,
            f"t{secrets.token_hex(4)}.",
            folder,
            explain={"sample_share": 1.0},
        )
        opened.enter_context(stream)
        yield Fortress(stream, port, tls, certificate, KafkaAudit(kafka.log_path))


@pytest.mark.timeout(900)
def test_the_whole_stream_runs_with_the_least_permissions(
    fortress: Fortress, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = fortress.stream
    fortress.start()
    stream.publish("items", {"item_id": "i0", "title": "thing 0", "media": media()}, "i0").get(120)
    for number in range(1, 12):
        stream.publish("items", {"item_id": f"i{number}", "title": f"thing {number}"}, f"i{number}").get(120)
    for number in range(4):
        for user in ("anna", "ben"):
            stream.publish("events", event(user, f"{user}-{number}", f"i{number}"), user).get(120)
    wait_until(lambda: stream.profile("anna").version == 4, fortress)
    prefix = stream.prefix
    for kind in ("list", "exposures"):
        wait_until(lambda k=kind: stream.redis.exists(f"{prefix}{k}:anna"), fortress)
    stream.read("explanations", lambda found: len(found) > 0, 180)
    listed = json.loads(stream.redis.hget(f"{prefix}list:anna", "list") or b"")
    clicked = event("anna", "on-the-list", listed["items"][0]["item_id"])
    stream.publish("events", clicked, "anna").get(120)
    stream.read("outcomes", lambda found: len(found) > 0, 180)
    stream.read(
        "item-features",
        lambda found: {one["modality"] for one in found if "vector" in one} == {*MODALITIES},
        decode=msgspec.msgpack.decode,
    )
    asyncio.run(use_console(fortress))
    for section, values in fortress.sections(OPERATOR).items():
        monkeypatch.setenv(f"FRESHET_{section.upper()}", json.dumps(values))
    for command in COMMANDS:
        assert run([*command, "--prefix", f"{prefix}second." if "create" in command else prefix]) == 0, (
            f"{command}: {capsys.readouterr().err} {fortress.logs()[-4_000:]}"
        )
    assert not stream.redis.exists(f"{prefix}profile:anna")
    assert stream.redis.exists(f"{prefix}profile:ben")
    assert fortress.tls.connections > len(ROLES)
    # Nothing was granted that is not needed. Acknowledgements come some time after the work.
    for user in (*ROLES, CONSOLE, OPERATOR):
        deadline = time.monotonic() + 60.0
        while not (unused := fortress.unused(user)) <= NOT_IN_THIS_RUN[user]:
            assert time.monotonic() < deadline, (user, unused)
            time.sleep(0.5)
    # Nothing was refused on the way, and no secret was written down.
    logs = fortress.logs()
    for words in ("NOPERM", "does not let", "AuthorizationFailed", "no permissions"):
        assert words not in logs, logs[-4_000:]
    for role, password in fortress.passwords.items():
        assert password not in logs, role


def test_redis_refuses_a_role_what_it_does_not_need(fortress: Fortress) -> None:
    prefix = fortress.stream.prefix
    fortress.stream.redis.set(f"{prefix}profile:carol", b"mine")
    for role, command in {
        "explain": ("GET", f"{prefix}profile:carol"),
        "learn": ("GET", f"{prefix}profile:carol"),
        "text": ("GET", f"{prefix}profile:carol"),
        "join": ("GET", f"{prefix}profile:carol"),
        "recommend": ("SET", f"{prefix}profile:carol", "x"),
        "fuse": ("GET", f"{prefix}exposures:carol"),
        "profile": ("GET", "elsewhere"),
    }.items():
        ca_file = str(fortress._certificate)
        with redis.Redis.from_url(fortress.redis_url(role), ssl_ca_certs=ca_file) as client:
            client.ping()
            for refused in (command, ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
                with pytest.raises(NoPermissionError):
                    client.execute_command(*refused)
    assert fortress.stream.redis.get(f"{prefix}profile:carol") == b"mine"


def test_kafka_refuses_a_role_what_it_does_not_need(fortress: Fortress) -> None:
    names = fortress.stream.names
    for role, topic in {"explain": names.events, "text": names.profiles, CLIENT: names.profiles}.items():
        consumer = fortress.connect(role, KafkaConsumer)
        try:
            consumer.assign([TopicPartition(topic, 0)])
            with pytest.raises(KafkaError):
                _read(consumer, topic)
        finally:
            consumer.close()
    for role, topic in {"recommend": names.profiles, "profile": names.events}.items():
        producer = fortress.connect(role, KafkaProducer, max_block_ms=5_000)
        try:
            with pytest.raises(KafkaError):
                producer.send(topic, b"{}", key=b"carol").get(timeout=120)
        finally:
            producer.close(timeout=1)
    admin = fortress.connect("profile", KafkaAdminClient)
    try:
        with pytest.raises(KafkaError):
            admin.delete_topics([names.events])
        assert names.item_features not in admin.list_topics()
    finally:
        admin.close()


def _read(consumer: KafkaConsumer, topic: str) -> None:
    consumer.seek_to_beginning()
    consumer.position(TopicPartition(topic, 0), timeout_ms=5_000)
    for _ in range(30):
        consumer.poll(timeout_ms=2_000)


def media() -> list[dict[str, str]]:
    """One of each kind, small."""
    files = {
        "image": saved(quadrants(), "PNG"),
        "audio": sound_file("wav", "pcm_s16le", tone(1.0)),
        "video": video_file("mp4", "libx264", range(0, 200, 10), size=(32, 32)),
    }
    return [{"kind": kind, "data": base64.b64encode(data).decode()} for kind, data in files.items()]


async def use_console(fortress: Fortress) -> None:
    """All that the page reads and publishes."""
    settings = load_settings(**fortress.sections(CONSOLE))
    names = fortress.stream.names
    async with Console(settings) as console:
        await console.item(Item(item_id="i12", title="thing 12"))
        await console.event(msgspec.convert(event("carol", "c1", "i1"), Event))
        await console.request(RecommendationRequest(request_id="c2", user_id="carol"))
        async with asyncio.timeout(120):
            while not (console.catalogue.find("i12") and console.people.profile("carol").version):
                await asyncio.sleep(0.1)
        states = await asyncio.to_thread(list_topics, settings, [fortress.stream.space])
        assert all(state.partitions for state in states)
    with Cluster(settings.kafka) as cluster:
        spaces = [fortress.stream.space]
        # A group that shares its work out anew has no members for a moment.
        async with asyncio.timeout(120):
            while {one.members for one in role_groups(cluster, settings, states, spaces)} != {1}:
                await asyncio.sleep(0.5)
    # Before a message is published again, its topic is read.
    for topic in (names.events, names.recommendation_requests):
        with TopicReader(settings.kafka, topic, "beginning") as reader:
            assert list(reader.read_to_end())


def wait_until(condition: Callable[[], Any], fortress: Fortress, timeout_s: float = 180.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, fortress.logs()[-6_000:]
        time.sleep(0.2)
