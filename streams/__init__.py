"""The contract with users, and everything about Kafka."""
