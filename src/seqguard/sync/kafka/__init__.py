"""The source that reads Debezium's change events from Kafka."""
