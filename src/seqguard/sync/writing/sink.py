"""One table of the target: rows in, rows out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.failure import BadValueError
from seqguard.sync.target.catalog import NoSuchTargetError, read_target
from seqguard.sync.target.columns import column_encoder
from seqguard.sync.target.values import encoder
from seqguard.sync.writing import statements
from seqguard.sync.writing.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg
    from psycopg import sql

    from seqguard.sync.mapping.step import Key, Upsert
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.target.catalog import TargetColumn, TargetTable

    Lines = list[tuple[str | None, ...]]
    """Rows as PostgreSQL reads them."""

_PAUSE = 1_000
"""How many batches of a table are upserts after a COPY into it that met a row of the same key."""


class Sink:
    """One table of the target, as one mapping writes it. Temporary tables stand between, one for rows, one for keys.

    Raises NoSuchTargetError when the table is not there.
    """

    def __init__(self, connection: pg.Connection, mapping: TableMapping, number: int) -> None:
        target = read_target(connection, mapping.target_schema, mapping.target_table)
        self._shape = statements.Shape(mapping, target, number)
        self._encoders = [column_encoder(_column(target, name)) for name in self.columns]
        self._key_encoders = [encoder(_column(target, name)) for name in mapping.target_key]
        self._connection = connection
        for statement in statements.stages(self._shape):
            connection.execute(statement)
        self._statements = statements.of_table(self._shape)
        foreign_keys = connection.execute(pg.template("sync/foreign_keys"), {"table": target.oid}).fetchall()
        self._orphans, self._orphans_at_end = (
            statements.orphans(self._shape, foreign_keys, deferrable=deferrable) for deferrable in (False, True)
        )
        unique = connection.execute(pg.template("sync/unique_values"), {"table": target.oid})
        self.unique = frozenset(name for (name,) in unique)
        """The columns whose values no two rows may share, alone or together."""
        self._used: set[int] = set()
        self._pause = 0

    @property
    def mapping(self) -> TableMapping:
        """Where the rows come from, and what they become."""
        return self._shape.mapping

    @property
    def target(self) -> TargetTable:
        """The table as its catalogs have it."""
        return self._shape.target

    @property
    def columns(self) -> Sequence[str]:
        """The columns that are written."""
        return self._shape.columns

    def has_new_types(self) -> bool:
        """Whether the table's columns are not as they were read."""
        try:
            now = read_target(self._connection, self.target.schema, self.target.name)
        except NoSuchTargetError:
            return True
        return now.columns != self.target.columns

    def begin(self) -> None:
        """A transaction has begun: the temporary tables are empty."""
        self._used.clear()

    def encode(self, steps: Sequence[Upsert]) -> Lines:
        """The rows as PostgreSQL reads them.

        Raises BadValueError at the first value that does not fit; bad_ones() finds them all.
        """
        rows = [step.row for step in steps]
        columns = [
            encode([row[name] for row in rows])
            for name, encode in zip(self.columns, self._encoders, strict=True)
        ]
        return list(zip(*columns, strict=True))

    def encode_key(self, key: Key) -> tuple[str | None, ...] | None:
        """A key as PostgreSQL reads it, None for one that the target cannot hold."""
        try:
            return tuple(encode(value) for encode, value in zip(self._key_encoders, key, strict=True))
        except BadValueError:
            return None

    def insert(self, lines: Lines) -> int:
        """Rows that are likely new: COPY into the table itself, half the server's work. An upsert where one is not new.

        Returns how many were written. After a row that was there, the next batches are upserts at once: they are
        likely a repetition.
        """
        import psycopg

        if self._pause:
            self._pause -= 1
            return self.upsert(lines)
        try:
            with self._connection.transaction():
                return self._send(self._statements.copy_table, lines)
        except (psycopg.errors.UniqueViolation, psycopg.errors.FeatureNotSupported):
            self._pause = _PAUSE
            return self.upsert(lines)

    def upsert(self, lines: Lines) -> int:
        """Let rows be there as they are; returns how many were not."""
        self._stage(0, self._statements.copy_rows, lines)
        return self._connection.execute(self._statements.upsert).rowcount

    def delete(self, keys: Lines) -> int:
        """Let no row with these keys be there; returns how many were."""
        self._stage(1, self._statements.copy_keys, keys)
        return self._connection.execute(self._statements.delete, prepare=False).rowcount

    def rekey(self, old_key: Lines, line: Lines) -> int:
        """Give a row a new key. Where a row has it already, or none has the old one, a delete and an upsert.

        In this order: the old row may hold a unique value that the row keeps.
        """
        self._stage(0, self._statements.copy_rows, line)
        self._stage(1, self._statements.copy_keys, old_key)
        if self._statements.rekey and self._connection.execute(self._statements.rekey).rowcount:
            return 1
        gone = self._connection.execute(self._statements.delete, prepare=False).rowcount
        return gone + self._connection.execute(self._statements.upsert).rowcount

    def empty(self) -> int:
        """Delete the rows that are the source's."""
        return self._connection.execute(self._statements.empty).rowcount

    def orphans(self, lines: Lines, *, at_end: bool = False) -> set[int]:
        """The lines, from 0, that reference a row which is not there. at_end: by the keys that can be deferred."""
        queries = self._orphans_at_end if at_end else self._orphans
        if queries:
            self._stage_numbered(lines)
        return {number for query in queries for (number,) in self._connection.execute(query)}

    def refused(self, lines: Lines, error: psycopg.Error) -> set[int]:
        """The lines, from 0, that the violated constraint of an error refuses, none where that is not to be told."""
        condition = self._refusal(error)
        if condition is None:
            return set()
        self._stage_numbered(lines)
        query = statements.refused(self._shape, condition)
        return {number for (number,) in self._connection.execute(query)}

    def _refusal(self, error: psycopg.Error) -> sql.Composable | None:
        """What is true of a row that the violated constraint refuses, whatever other rows there are."""
        import psycopg

        column, constraint = error.diag.column_name or "", error.diag.constraint_name
        if (error.diag.schema_name, error.diag.table_name) != (self.target.schema, self.target.name):
            return None
        if isinstance(error, psycopg.errors.NotNullViolation) and column in self.columns:
            return statements.is_null(column)
        parameters = {"table": self.target.oid, "name": constraint}
        found = self._connection.execute(pg.template("sync/check_condition"), parameters).fetchone()
        return statements.is_false(found[0]) if found else None

    def who_has(self, columns: Sequence[str]) -> sql.Composed:
        """A query for the key of a row that has these values, its parameters."""
        return statements.who_has(self._shape, columns)

    def probe(self) -> None:
        """Run the statements with no rows: fails where the table as a whole is not what it was."""
        for statement in (self._statements.upsert, self._statements.delete):
            self._connection.execute(statement, prepare=False)

    def _stage_numbered(self, lines: Lines) -> None:
        self._stage(0, self._statements.copy_numbered, [(str(n), *line) for n, line in enumerate(lines)])

    def _stage(self, stage: int, statement: sql.Composed, lines: Lines) -> None:
        if stage in self._used:
            self._connection.execute(self._statements.clear[stage])
        self._used.add(stage)
        self._send(statement, lines)

    def _send(self, statement: sql.Composed, lines: Lines) -> int:
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for line in lines:
                    copy.write_row(line)
            return cursor.rowcount


def _column(target: TargetTable, name: str) -> TargetColumn:
    column = target.columns.get(name)
    if column is None:
        raise SeqguardError(f"{target.schema}.{target.name} has no column {name}")
    return column


def bad_ones(sink: Sink, steps: Sequence[Upsert]) -> list[tuple[Upsert, BadValueError]]:
    """The rows with a value that does not fit."""
    found = []
    for step in steps:
        try:
            sink.encode([step])
        except BadValueError as error:
            found.append((step, error))
    return found


@contextmanager
def only_looking(connection: pg.Connection) -> Iterator[None]:
    """A savepoint that nothing is kept of. An error in it is no answer; one that may pass is raised."""
    import psycopg

    try:
        with connection.transaction(force_rollback=True):
            yield
    except psycopg.Error as error:
        if is_transient(error) or pg.is_lost(connection):
            raise
