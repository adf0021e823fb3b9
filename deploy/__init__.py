"""How Freshet runs: embedded Kafka and Redis, containers, the demo catalogue."""
