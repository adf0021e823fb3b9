"""A real Kafka and a real Redis on loopback, for development, the demo and tests."""

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedKafka", "EmbeddedRedis"]
