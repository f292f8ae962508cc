"""The target's end of a writer: its connection, and the statements for each table."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.failure import BadValueError, TransientError
from seqguard.sync.target.catalog import read_target
from seqguard.sync.target.columns import column_encoder
from seqguard.sync.target.values import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import psycopg
    from psycopg import sql

    from seqguard.sync.event import Value
    from seqguard.sync.mapping.step import Key, Upsert
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.target.catalog import TargetColumn, TargetTable

    Lines = list[tuple[str | None, ...]]
    """Rows as PostgreSQL reads them."""

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


@dataclass(frozen=True, slots=True)
class Statements:
    """What is said to PostgreSQL for one table."""

    copy_rows: sql.Composed
    copy_numbered: sql.Composed
    copy_keys: sql.Composed
    upsert: sql.Composed
    delete: sql.Composed
    rekey: sql.Composed | None
    empty: sql.Composed
    clear: tuple[sql.Composed, sql.Composed]


class Sink:
    """One table of the target, as one mapping writes it. Temporary tables stand between, one for rows, one for keys.

    Raises NoSuchTargetError when the table is not there.
    """

    def __init__(self, connection: pg.Connection, mapping: TableMapping, number: int) -> None:
        self.mapping = mapping
        self.target: TargetTable = read_target(connection, mapping.target_schema, mapping.target_table)
        self.columns = mapping.plan.targets
        self._encoders = [column_encoder(_column(self.target, name)) for name in self.columns]
        self._key_encoders = [encoder(_column(self.target, name)) for name in mapping.target_key]
        self._connection = connection
        self.line = _unused("seqguard_line", self.target.columns)
        stages = (f"seqguard_rows_{number}", f"seqguard_keys_{number}")
        _make_stages(connection, self, stages)
        self.statements = _statements(self, stages)
        self._orphans = _orphans(connection, self, stages[0])
        self._used: set[int] = set()

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

    def upsert(self, lines: Lines) -> int:
        """Let rows be there as they are; returns how many were not."""
        self._copy(0, self.statements.copy_rows, lines)
        return self._connection.execute(self.statements.upsert).rowcount

    def delete(self, keys: Lines) -> int:
        """Let no row with these keys be there; returns how many were."""
        self._copy(1, self.statements.copy_keys, keys)
        return self._connection.execute(self.statements.delete, prepare=False).rowcount

    def rekey(self, old_key: Lines, line: Lines) -> int:
        """Give a row a new key. Where a row has it already, or none has the old one, an upsert and a delete."""
        self._copy(0, self.statements.copy_rows, line)
        self._copy(1, self.statements.copy_keys, old_key)
        if self.statements.rekey and self._connection.execute(self.statements.rekey).rowcount:
            return 1
        written = self._connection.execute(self.statements.upsert).rowcount
        return written + self._connection.execute(self.statements.delete, prepare=False).rowcount

    def empty(self) -> int:
        """Delete the rows that are the source's."""
        return self._connection.execute(self.statements.empty).rowcount

    def orphans(self, lines: Lines) -> set[int]:
        """The lines, from 0, that reference a row which is not there."""
        self._copy(0, self.statements.copy_numbered, [(str(n), *line) for n, line in enumerate(lines)])
        return {number for query in self._orphans for (number,) in self._connection.execute(query)}

    def who_has(self, columns: Sequence[str]) -> sql.Composed:
        """A query for the key of a row that has these values, its parameters."""
        from psycopg import sql

        conditions = (
            sql.SQL("target.{} OPERATOR(pg_catalog.=) %s").format(pg.identifier(name)) for name in columns
        )
        return pg.template(
            "sync/who_has",
            table=_table(self),
            key=_listed(self.mapping.target_key, "target"),
            condition=sql.SQL(" AND ").join(conditions),
        )

    def probe(self) -> None:
        """Run the statements with no rows: fails where the table as a whole is not what it was."""
        for statement in (self.statements.upsert, self.statements.delete):
            self._connection.execute(statement, prepare=False)

    def _copy(self, stage: int, statement: sql.Composed, lines: Lines) -> None:
        if stage in self._used:
            self._connection.execute(self.statements.clear[stage])
        self._used.add(stage)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for line in lines:
                copy.write_row(line)


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


def _make_stages(connection: pg.Connection, sink: Sink, stages: tuple[str, str]) -> None:
    for stage, columns in zip(stages, (sink.columns, sink.mapping.target_key), strict=True):
        connection.execute(pg.template("sync/drop_stage", stage=_stage(stage)))
        connection.execute(
            pg.template(
                "sync/stage",
                stage=_stage(stage),
                columns=_listed(columns),
                table=_table(sink),
                line=pg.identifier(sink.line),
            )
        )


def _statements(sink: Sink, stages: tuple[str, str]) -> Statements:
    from psycopg import sql

    staged, gone = map(_stage, stages)
    columns, key = _listed(sink.columns), sink.mapping.target_key
    common = {"table": _table(sink), "stage": staged, "gone": gone}
    fixed = any(sink.target.columns[name].always for name in key)
    return Statements(
        copy_rows=pg.template("sync/copy", stage=staged, columns=columns),
        copy_numbered=pg.template("sync/copy", stage=staged, columns=_listed((sink.line, *sink.columns))),
        copy_keys=pg.template("sync/copy", stage=gone, columns=_listed(key)),
        upsert=pg.template("sync/upsert", **common, columns=columns, key=_listed(key), action=_action(sink)),
        delete=pg.template("sync/delete", **common, matches=_matches(key, "target", "gone")),
        rekey=None
        if fixed
        else pg.template(
            "sync/rekey",
            **common,
            assignments=_assignments(_changeable(sink, ()), "staged"),
            matches=_matches(key, "target", "gone"),
            taken=_matches(key, "other", "staged"),
        ),
        empty=pg.template("sync/empty", table=_table(sink), condition=_is_ours(sink)),
        clear=(
            sql.SQL("TRUNCATE {}").format(staged),
            sql.SQL("TRUNCATE {}").format(gone),
        ),
    )


def _orphans(connection: pg.Connection, sink: Sink, stage: str) -> list[sql.Composed]:
    """A query for each foreign key that is written here."""
    found = connection.execute(pg.template("sync/foreign_keys"), {"table": sink.target.oid})
    return [
        _orphans_of(sink, stage, (schema, table), dict(zip(here, there, strict=True)))
        for schema, table, here, there in found
        if set(here) <= set(sink.columns)
    ]


def _orphans_of(sink: Sink, stage: str, parent: tuple[str, str], key: Mapping[str, str]) -> sql.Composed:
    from psycopg import sql

    given = (sql.SQL("staged.{} IS NOT NULL").format(pg.identifier(name)) for name in key)
    matches = (
        sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(
            pg.identifier("parent", there), pg.identifier("staged", here)
        )
        for here, there in key.items()
    )
    return pg.template(
        "sync/orphans",
        stage=_stage(stage),
        line=pg.identifier(sink.line),
        parent=pg.identifier(*parent),
        given=sql.SQL(" AND ").join(given),
        matches=sql.SQL(" AND ").join(matches),
    )


def _unused(name: str, names: Iterable[str]) -> str:
    return _unused(f"{name}_", names) if name in names else name


def _action(sink: Sink) -> sql.Composable:
    from psycopg import sql

    columns = _changeable(sink, sink.mapping.target_key)
    if not columns:
        return sql.SQL("NOTHING")
    return pg.template(
        "sync/upsert_action",
        assignments=_assignments(columns, "excluded"),
        current=_listed(columns, "target"),
        proposed=_listed(columns, "excluded"),
    )


def _changeable(sink: Sink, besides: Sequence[str]) -> list[str]:
    """The columns that an UPDATE may set: not those that are GENERATED ALWAYS AS IDENTITY."""
    return [name for name in sink.columns if name not in besides and not sink.target.columns[name].always]


def _is_ours(sink: Sink) -> sql.Composable:
    """The mapping's constants tell its rows from those that the target has of its own."""
    from psycopg import sql

    conditions = [
        sql.SQL("target.{} IS NULL").format(pg.identifier(name))
        if text is None
        else sql.SQL("target.{} OPERATOR(pg_catalog.=) {}").format(pg.identifier(name), pg.literal(text))
        for name, text in _constants(sink)
    ]
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def _constants(sink: Sink) -> list[tuple[str, str | None]]:
    constants: dict[str, Value] = dict(sink.mapping.constants)
    return [(name, encoder(sink.target.columns[name])(value)) for name, value in constants.items()]


def _stage(name: str) -> sql.Composable:
    return pg.identifier("pg_temp", name)


def _table(sink: Sink) -> sql.Composable:
    return pg.identifier(sink.target.schema, sink.target.name)


def _listed(columns: Iterable[str], table: str | None = None) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(", ").join(pg.identifier(*([table] if table else []), name) for name in columns)


def _assignments(columns: Iterable[str], table: str) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(pg.identifier(name), pg.identifier(table, name)) for name in columns
    )


def _matches(columns: Iterable[str], one: str, other: str) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(" AND ").join(
        sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(pg.identifier(one, name), pg.identifier(other, name))
        for name in columns
    )
