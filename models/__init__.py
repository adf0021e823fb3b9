"""Numbers only: preprocessing, encoders, fusion, profiles, retrieval, ranking. No Kafka, no Redis."""
