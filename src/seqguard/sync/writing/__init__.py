"""The writer: batches into the target, positions, sequences, dead letters."""
