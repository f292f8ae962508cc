"""The worker, and what is seen of it."""
