"""Renderers: the same typed results as text for people, as JSON, and as SQL."""
