"""Evaluation: the workers' own classes over a log of events, in one process or through Kafka."""
