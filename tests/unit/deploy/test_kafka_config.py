from __future__ import annotations

from deploy.embedded.kafka_config import render_properties


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_everything_listens_on_loopback_alone() -> None:
    config = properties(render_properties(19092, 19093))
    assert config["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert config["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"
    assert config["controller.quorum.voters"] == "1@127.0.0.1:19093"


def test_a_message_of_the_contract_fits() -> None:
    config = properties(render_properties(1, 2))
    assert int(config["message.max.bytes"]) > 8 * 1024 * 1024
    assert int(config["replica.fetch.max.bytes"]) >= int(config["message.max.bytes"])


def test_one_node_is_enough_for_internal_topics() -> None:
    config = properties(render_properties(1, 2))
    factors = {name: value for name, value in config.items() if name.endswith("replication.factor")}
    assert len(factors) == 4
    assert set(factors.values()) == {"1"}


def test_extra_listeners_add_to_those_there_and_other_lines_replace() -> None:
    config = properties(
        render_properties(
            1,
            2,
            {
                "listeners": "SASL://127.0.0.1:3",
                "advertised.listeners": "SASL://127.0.0.1:3",
                "listener.security.protocol.map": "SASL:SASL_PLAINTEXT",
                "message.max.bytes": "77",
                "sasl.enabled.mechanisms": "PLAIN",
            },
        )
    )
    assert config["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2,SASL://127.0.0.1:3"
    assert config["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1,SASL://127.0.0.1:3"
    assert config["listener.security.protocol.map"].endswith(",SASL:SASL_PLAINTEXT")
    assert config["message.max.bytes"] == "77"
    assert config["sasl.enabled.mechanisms"] == "PLAIN"


def test_values_are_escaped_as_java_reads_them() -> None:
    text = render_properties(1, 2, {"a": "back\\slash", "b": "größe", "c": "two\nlines", "d": "🚀"})
    assert "a=back\\\\slash\n" in text
    assert "b=gr\\u00f6\\u00dfe\n" in text
    assert "c=two\\nlines\n" in text
    assert "d=\\ud83d\\ude80\n" in text
