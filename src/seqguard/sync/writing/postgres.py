"""The target's end of a writer: its connection, and what its errors mean."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.failure import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psycopg
    from psycopg import sql

_SETTINGS = {
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "standard_conforming_strings": "on",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT = frozenset({"55P03", "55006", "25006"})
"""Lock not available, object in use, read-only (a standby that is about to be promoted)."""
_LINE = re.compile(r"^COPY [^,]*, \D*(\d+)", re.MULTILINE)


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same may succeed when it is tried again."""
    import psycopg

    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT


def is_of_table(error: psycopg.Error) -> bool:
    """Whether an error is of a kind that concerns a whole table: undefined, not permitted, of another type."""
    return (error.sqlstate or "")[:2] in ("42", "3F")


def line_of(error: psycopg.Error) -> int | None:
    """The line that COPY could not read, from 1. The word for it depends on the server's language."""
    found = _LINE.search(error.diag.context or "")
    return int(found[1]) if found else None


def open_session(connect: Callable[[], pg.Connection], lock_timeout: int) -> pg.Connection:
    """A connection that reads values as the encoders write them.

    search_path stays the role's own, because the triggers of its tables may need it; nothing here does.
    Raises TransientError when there is none to be had.
    """
    import psycopg

    try:
        connection = connect()
        for name, value in {**_SETTINGS, "lock_timeout": str(lock_timeout)}.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])
    except (psycopg.Error, SeqguardError) as error:
        raise TransientError(pg.explain(error)) from None
    return connection


@contextmanager
def telling_transient() -> Iterator[None]:
    """Turn what may pass into a TransientError; other errors of the database are let through."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        if is_transient(error):
            raise TransientError(f"the target: {pg.explain(error)}") from error
        raise


def row(
    connection: pg.Connection,
    query: sql.Composed | str,
    parameters: Sequence[object] | Mapping[str, object] = (),
) -> tuple[Any, ...]:
    """The one row that a query returns."""
    found = connection.execute(query.encode() if isinstance(query, str) else query, parameters).fetchone()
    assert found is not None
    return tuple(found)
