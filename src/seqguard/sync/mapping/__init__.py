"""The mapping file, and what a change means by it."""
