//! Everything that speaks Kafka bytes to a running doorkeeper.
