"""Reads the furthest values of fed columns, and the states of their sequences, a batch a statement."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from seqguard import pg, pipeline
from seqguard.readers import readers
from seqguard.script import sql_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from psycopg.pq.abc import PGresult

    from seqguard.model import FedColumn
    from seqguard.pg import Connection

    Row = tuple[int, Decimal | None, tuple[bytes, bytes] | None]


def read_batches(
    connection: Connection, batches: Sequence[Mapping[int, FedColumn]], timeouts: pg.Timeouts, jobs: int = 1
) -> Iterator[list[Row] | None]:
    """For each batch of numbered fed columns its rows, None where it failed: read_one says why.

    A row is the column's number, its furthest value, and its sequence's last_value and is_called as
    PostgreSQL writes them, None when the sequence is gone. The next batches are sent before a batch has been
    received. Each is read in a transaction of its own, or in a subtransaction of the caller's, that is
    rolled back. With jobs, the connection may be helped by others, and goes on alone when one is lost.
    Raises psycopg.Error when it is lost itself.
    """
    import psycopg

    done = 0
    try:
        with readers(connection, jobs, sum(map(len, batches))) as connections:
            for rows in _read_over(connections, batches, timeouts):
                done += 1
                yield rows
    except psycopg.OperationalError:
        if jobs == 1 or pg.is_lost(connection):
            raise
        yield from read_batches(connection, batches[done:], timeouts)


def _read_over(
    connections: Sequence[Connection], batches: Iterable[Mapping[int, FedColumn]], timeouts: pg.Timeouts
) -> Iterator[list[Row] | None]:
    from psycopg.pq import ExecStatus

    first = connections[0]
    encoding = first.info.encoding
    with _brackets(first) as (begin, end):
        start = (begin, pg.pinning_for_reading(timeouts).as_bytes(first))
        scripts = (
            ((*start, *(statement.encode(encoding) for statement in _statements(batch))), (end,))
            for batch in batches
        )
        for *_, result, _ in pipeline.run(connections, scripts):
            yield _rows(result) if result.status == ExecStatus.TUPLES_OK else None


@contextmanager
def _brackets(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    """The statements that begin and end a batch; read-only, as the caller's session may be and others are not.

    Not one transaction for all with a savepoint each: what locks a sequence, locks it for the whole transaction.
    """
    from psycopg.pq import TransactionStatus

    if connection.info.transaction_status == TransactionStatus.IDLE:
        yield b"BEGIN READ ONLY", b"ROLLBACK"
        return
    with connection.transaction(force_rollback=True):
        yield b"SAVEPOINT seqguard_batch", b"ROLLBACK TO SAVEPOINT seqguard_batch"


def read_one(connection: Connection, number: int, fact: FedColumn, timeouts: pg.Timeouts) -> Row:
    """The row of one fed column. Raises psycopg.Error."""
    with pg.reading(connection, timeouts) as cursor:
        for statement in _statements({number: fact}):
            cursor.execute(statement)
        result = cursor.pgresult
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


def _statements(facts: Mapping[int, FedColumn]) -> list[str]:
    """What reads numbered fed columns, the query for the rows last."""
    others = [fact for fact in facts.values() if not fact.is_own]
    tables = sorted({fact.locked_as for fact in others if fact.locked_as and _is_read(fact)})
    locks = [pg.text(pg.template("lock_for_reading", tables=pg.quoted(", ".join(tables))))] if tables else []
    return [*locks, *([_refusal(others)] if others else []), _batch_query(facts)]


def _refusal(facts: Sequence[FedColumn]) -> str:
    """What fails where a query could run a function of others: see sql/install/planning.sql."""
    relations = {fact.sequence_oid: fact.sequence for fact in facts}
    relations |= {
        fact.table_oid: fact.table for fact in facts if fact.table_oid and fact.table and _is_read(fact)
    }
    return pg.text(
        pg.do_block(
            sql_file("install/planning"),
            relations=("_oid", pg.literal(list(relations))),
            names=("_text", pg.literal(list(relations.values()))),
        )
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
    return fact.furthest_query or "NULL" if _is_read(fact) else "NULL"


def _is_read(fact: FedColumn) -> bool:
    return not fact.column_unreadable and fact.furthest_query is not None
