"""The demo: simulated people with distinct tastes act through Kafka, and what Freshet does is measured."""
