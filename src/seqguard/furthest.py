"""Reads the furthest values of fed columns, and the states of their sequences, a batch a statement."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard import pg, pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from psycopg.pq.abc import PGresult

    from seqguard.model import FedColumn
    from seqguard.pg import Connection

    Row = tuple[int, Decimal | None, tuple[bytes, bytes] | None]


def read_batches(
    connection: Connection, batches: Iterable[Mapping[int, FedColumn]], timeouts: pg.Timeouts
) -> Iterator[list[Row] | None]:
    """For each batch of numbered fed columns its rows, None where it failed: read_one says why.

    A row is the column's number, its furthest value, and its sequence's last_value and is_called as
    PostgreSQL writes them, None when the sequence is gone. The next batches are sent before a batch has been
    received. Each is read in a transaction of its own, or in a subtransaction of the caller's, that is
    rolled back. Raises psycopg.Error when the connection is lost.
    """
    from psycopg.pq import ExecStatus

    encoding = connection.info.encoding
    with _brackets(connection) as (begin, end):
        start = (begin, pg.pinning_for_reading(timeouts).as_bytes(connection))
        scripts = (((*start, _batch_query(batch).encode(encoding)), (end,)) for batch in batches)
        for _, _, result, _ in pipeline.run(connection, scripts):
            yield _rows(result) if result.status == ExecStatus.TUPLES_OK else None


@contextmanager
def _brackets(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    """The statements that begin and end a batch.

    Not one transaction for all with a savepoint each: what locks a sequence, locks it for the whole transaction.
    """
    from psycopg.pq import TransactionStatus

    if connection.info.transaction_status == TransactionStatus.IDLE:
        yield b"BEGIN", b"ROLLBACK"
        return
    with connection.transaction(force_rollback=True):
        yield b"SAVEPOINT seqguard_batch", b"ROLLBACK TO SAVEPOINT seqguard_batch"


def read_one(connection: Connection, number: int, fact: FedColumn, timeouts: pg.Timeouts) -> Row:
    """The row of one fed column. Raises psycopg.Error."""
    with pg.reading(connection, timeouts) as cursor:
        result = cursor.execute(_batch_query({number: fact})).pgresult
    assert result is not None
    (row,) = _rows(result)
    return row


def _rows(result: PGresult) -> list[Row]:
    return [_row(*(result.get_value(i, column) for column in range(3))) for i in range(result.ntuples)]


def _row(number: bytes | None, value: bytes | None, state: bytes | None) -> Row:
    assert number is not None
    last_value, _, is_called = (state or b"(,)")[1:-1].partition(b",")
    return (
        int(number),
        None if value is None else Decimal(value.decode()),
        (last_value, is_called) if last_value else None,
    )


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
