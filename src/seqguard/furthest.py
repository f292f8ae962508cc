"""Reads the furthest values of fed columns, and the states of their sequences, a batch a statement."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from seqguard import pg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from decimal import Decimal

    import psycopg

    from seqguard.model import FedColumn
    from seqguard.pg import Connection

    Row = tuple[int, Decimal | None, tuple[str | None, str | None]]

_AHEAD = 2
"""Batches that are sent before one is received."""


def read_batches(
    connection: Connection, batches: Iterable[Mapping[int, FedColumn]], timeouts: pg.Timeouts
) -> Iterator[list[Row] | None]:
    """For each batch of numbered fed columns its rows, None where it failed: read_one says why.

    The next batches are sent before a batch has been received, so that neither side waits for the
    other. Each is read in a transaction of its own, or in a subtransaction of the caller's, that is
    rolled back. Raises psycopg.Error when the connection is lost.
    """
    with _brackets(connection) as brackets, connection.pipeline() as pipeline:
        under_way: deque[psycopg.Cursor[Any]] = deque()
        for batch in batches:
            under_way.append(_send_batch(connection, pipeline, brackets, batch, timeouts))
            if len(under_way) > _AHEAD:
                yield _received(under_way.popleft())
        while under_way:
            yield _received(under_way.popleft())


@contextmanager
def _brackets(connection: Connection) -> Iterator[tuple[str, str]]:
    """The statements that begin and end a batch.

    Not psycopg's transaction(), which must know before it begins how the one before has ended. Nor one
    transaction for all with a savepoint each: what locks a sequence, locks it for the whole transaction.
    """
    from psycopg.pq import TransactionStatus

    if connection.info.transaction_status != TransactionStatus.IDLE:
        with connection.transaction(force_rollback=True):
            yield "SAVEPOINT seqguard_batch", "ROLLBACK TO SAVEPOINT seqguard_batch"
        return
    before = connection.autocommit
    connection.autocommit = True
    try:
        yield "BEGIN", "ROLLBACK"
    finally:
        if not pg.is_lost(connection):
            connection.rollback()
            connection.autocommit = before


def read_one(connection: Connection, number: int, fact: FedColumn, timeouts: pg.Timeouts) -> Row:
    """The row of one fed column. Raises psycopg.Error."""
    with pg.reading(connection, timeouts) as cursor:
        row: Row | None = cursor.execute(_batch_query({number: fact})).fetchone()
    assert row is not None
    return row


def _send_batch(
    connection: Connection,
    pipeline: psycopg.Pipeline,
    brackets: tuple[str, str],
    facts: Mapping[int, FedColumn],
    timeouts: pg.Timeouts,
) -> psycopg.Cursor[Any]:
    """Send the query of a batch. An error skips all up to the sync; the rollback comes after it."""
    from psycopg.rows import tuple_row

    begin, end = brackets
    cursor = connection.cursor(row_factory=tuple_row)
    for send in (
        partial(connection.execute, begin, prepare=False),
        partial(pg.pin_for_reading, connection.cursor(), timeouts),
        partial(cursor.execute, _batch_query(facts), prepare=False),
        pipeline.sync,
        partial(connection.execute, end, prepare=False),
    ):
        with _lost_raised(connection):
            send()
    return cursor


def _received(cursor: psycopg.Cursor[Any]) -> list[Row] | None:
    with _lost_raised(cursor.connection):
        return cursor.fetchall()
    return None


@contextmanager
def _lost_raised(connection: Connection) -> Iterator[None]:
    """In a pipeline any call may raise the error of an earlier statement; only a lost connection matters."""
    import psycopg

    try:
        yield
    except psycopg.Error:
        if pg.is_lost(connection):
            raise


def _batch_query(facts: Mapping[int, FedColumn]) -> str:
    """A query for the rows of numbered fed columns.

    Each pair is read in one statement: its snapshot is older than its look at the sequence,
    so that a value drawn meanwhile is in the sequence, not in the data. The expressions come
    from sql/fed_columns.sql, quoted by the server.
    """
    rows = ",\n".join(
        f"({number:d}, ({_furthest_query(fact)})::pg_catalog.numeric, {fact.state})"
        for number, fact in facts.items()
    )
    return f"VALUES {rows}"


def _furthest_query(fact: FedColumn) -> str:
    return "NULL" if fact.column_unreadable else fact.furthest_query or "NULL"
