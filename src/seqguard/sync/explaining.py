"""What an error of PostgreSQL means for a change, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from seqguard import pg
    from seqguard.sync.postgres import Sink
    from seqguard.sync.step import Step


def explanation(connection: pg.Connection, sink: Sink, step: Step, error: psycopg.Error) -> str:
    """What is in the way, and what to do."""
    del connection, sink, step
    return error.diag.message_detail or error.diag.message_primary or str(error)
