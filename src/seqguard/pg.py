"""Statements, through the driver. psycopg is imported when first needed: it takes long."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count, dropwhile, starmap
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from seqguard.errors import SeqguardError
from seqguard.model import FedColumn, GuardTrigger
from seqguard.redaction import without_password
from seqguard.script import sql_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[Any]
    Query = sql.Composed

OLDEST_SERVER = 130000
RETRIED = frozenset({"55P03", "40P01"})
"""SQLSTATEs worth another try: lock not available, deadlock detected."""
NO_PRIVILEGE = "42501"
"""The SQLSTATE of a missing privilege."""


_PINNED = {
    "search_path": "pg_catalog, pg_temp",
    # what a role or a database may have set otherwise, and format() and pg_get_expr() depend on
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "extra_float_digits": "1",
}
_READING = {
    "row_security": "off",
    "restrict_nonsystem_relation_kind": "view",
    "constraint_exclusion": "off",
    # for speed: the query on the catalogs is long to compile, and where they have not been analyzed, as after
    # a restore, the planner expects one row, gets thousands, and would join them in loops
    "jit": "off",
    "enable_nestloop": "off",
    "enable_memoize": "off",
    "work_mem": "32MB",
}
_NAMES = attrgetter("sequence_schema", "sequence_name", "table_schema", "table_name", "column_name")
_INSTALLERS = 8317985137926545
"""The advisory lock of those who install, the same as in sql/install/settings.sql: `seqguard` as a number."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits on each statement in milliseconds, 0 for none, None for what the session has."""

    lock: int | None = 1_000
    statement: int | None = None

    def settings(self) -> dict[str, str]:
        """As PostgreSQL's settings."""
        limits = {"lock_timeout": self.lock, "statement_timeout": self.statement}
        return {name: str(limit) for name, limit in limits.items() if limit is not None}


@dataclass(frozen=True, slots=True)
class Server:
    """What is at the other end of a connection."""

    version: str
    database: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """Schema seqguard in a database, and what the role of the connection may do with it."""

    exists: bool
    is_owner: bool
    owner: str | None
    is_extension: bool
    may_create: bool
    others: str | None


def connect(conninfo: str) -> Connection:
    """Open an autocommit connection the way every libpq client does.

    Raises SeqguardError, without the password, when there is none to be had.
    """
    import psycopg

    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=True,
            prepare_threshold=None,
            client_encoding="utf8",
            fallback_application_name="seqguard",
        )
    except psycopg.Error as error:
        raise SeqguardError(f"cannot connect: {_without_secrets(error, conninfo)}") from None
    require_version(connection)
    return connection


def require_version(connection: Connection) -> None:
    """Raise SeqguardError on a server older than PostgreSQL 13."""
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise SeqguardError(f"this server is PostgreSQL {version // 10000}; seqguard needs 13 or newer")


def _without_secrets(error: psycopg.Error, conninfo: str) -> str:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parsed = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        parsed = None
    return without_password(explain(error), conninfo, parsed)


def explain(error: Exception) -> str:
    """A database error on one line: message, then hint."""
    diagnostic = getattr(error, "diag", None)
    message = (diagnostic and diagnostic.message_primary) or str(error)
    hint = (diagnostic and diagnostic.message_hint) or ""
    return " ".join(f"{message}. {hint}".split()).strip(". ") if hint else " ".join(message.split())


def server(connection: Connection) -> Server:
    """Version, database, and whether nothing can be written here.

    Raises SeqguardError for a server or a state of the connection that nothing can be read with.
    """
    require_version(connection)
    if connection.info.parameter_status("client_encoding") == "SQL_ASCII":
        raise SeqguardError(
            "names cannot be read with client_encoding SQL_ASCII: SET client_encoding = 'UTF8' first"
        )
    if connection.pgconn.pipeline_status:
        raise SeqguardError("the connection is in pipeline mode: leave it first")
    return Server(*_row(connection, _statement("server")))


def session(connection: Connection) -> tuple[object, ...]:
    """Server, database, roles and timeouts: what two connections agree in that read the same."""
    return _row(connection, _statement("session"))


def fed_columns(connection: Connection, timeouts: Timeouts, *, guards: bool = False) -> list[FedColumn]:
    """Every sequence and every column that it feeds, as sql/fed_columns.sql finds them, in the order of names.

    guards: also what installing a guard takes.
    """
    from psycopg import sql

    names = [name for name in FedColumn._fields if guards or name not in FedColumn._field_defaults]
    columns = sql.SQL(", ").join(map(identifier, names))
    query = template("fed_facts", columns=columns, fed_columns=sql.SQL(_statement("fed_columns")))
    with reading(connection, timeouts) as cursor:
        rows = cursor.execute(query).fetchall()
    return sorted(starmap(FedColumn, rows), key=_NAMES)


def relations(connection: Connection, timeouts: Timeouts) -> list[tuple[str, str, str]]:
    """Schema, name and relkind of every relation."""
    with reading(connection, timeouts) as cursor:
        return cursor.execute(_statement("relations")).fetchall()


def guard_triggers(connection: Connection, timeouts: Timeouts) -> list[GuardTrigger]:
    """Every guard that is there."""
    with reading(connection, timeouts) as cursor:
        return [GuardTrigger(*row) for row in cursor.execute(_statement("guard_triggers"))]


def install_guard(connection: Connection, fact: FedColumn, timeouts: Timeouts) -> None:
    """Install or renew the guard on one fed column."""
    parameters = (
        fact.table_oid,
        fact.column_name,
        fact.sequence_oid,
        fact.increment,
        fact.number_pattern,
        fact.guard_name,
        fact.guard_shape,
        fact.guard_function,
        fact.guard_arguments,
    )
    execute(connection, _statement("install_guard"), parameters, timeouts)


def installation(connection: Connection) -> Installation:
    """What there is of schema seqguard."""
    return Installation(*_row(connection, _statement("installation")))


def installed_version(connection: Connection) -> str | None:
    """What seqguard.version() answers, None when it does not."""
    import psycopg

    try:
        with connection.transaction():
            return str(_row(connection, "SELECT seqguard.version()")[0])
    except psycopg.Error:
        return None


def install(connection: Connection, statements: str, timeouts: Timeouts) -> None:
    """Run the installation in one transaction, one installer at a time."""
    with writing(connection, timeouts) as cursor:
        cursor.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [_INSTALLERS])
        cursor.execute(statements, prepare=False)


def is_superuser(connection: Connection) -> bool:
    """Whether the role of the connection is a superuser."""
    return bool(_row(connection, "SELECT pg_catalog.current_setting('is_superuser')::pg_catalog.bool")[0])


def drop_guard(connection: Connection, trigger: GuardTrigger, timeouts: Timeouts) -> None:
    """Drop a guard, without calling a function that somebody else may own."""
    drop = template(
        "drop_guard", guard=identifier(trigger.name), table=identifier(trigger.schema, trigger.table)
    )
    execute(connection, drop, timeouts=timeouts)


def execute(
    connection: Connection,
    query: str | sql.Composed,
    parameters: Sequence[object] | None = None,
    timeouts: Timeouts = Timeouts(),
) -> None:
    """Run one statement in a transaction of its own, or in the caller's."""
    with writing(connection, timeouts) as cursor:
        cursor.execute(query, parameters)


@contextmanager
def reading(connection: Connection, timeouts: Timeouts) -> Iterator[psycopg.Cursor[Any]]:
    """A (sub)transaction that is rolled back: its locks and its settings go with it.

    row_security is off: a query that a policy would filter fails instead. Views are refused: a
    table may have given way to one meanwhile, and its functions would run with the reader's rights.
    constraint_exclusion is off, for it makes the planner work out CHECK constraints.
    """
    from psycopg.rows import tuple_row

    with (
        _unprepared(connection),
        connection.transaction(force_rollback=True),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        cursor.execute(pinning_for_reading(timeouts), prepare=False)
        yield cursor


@contextmanager
def writing(connection: Connection, timeouts: Timeouts) -> Iterator[psycopg.Cursor[Any]]:
    """A (sub)transaction that is committed, with a pinned search_path while it lasts."""
    from psycopg.rows import tuple_row

    with (
        _unprepared(connection),
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        before = _pin(cursor, timeouts)
        yield cursor
        _set(cursor, before)


@contextmanager
def _unprepared(connection: Connection) -> Iterator[None]:
    """No statement is prepared meanwhile: behind a pooler, the next transaction may not find it."""
    before, connection.prepare_threshold = connection.prepare_threshold, None
    try:
        yield
    finally:
        connection.prepare_threshold = before


def pinning_for_reading(timeouts: Timeouts) -> sql.Composed:
    """What reading() sets, until the end of the (sub)transaction, as one statement."""
    return _settings({**_PINNED, **timeouts.settings(), **_READING})


def _pin(cursor: psycopg.Cursor[Any], timeouts: Timeouts) -> dict[str, str]:
    return _set(cursor, {**_PINNED, **timeouts.settings()})


def _set(cursor: psycopg.Cursor[Any], settings: dict[str, str]) -> dict[str, str]:
    """Set until the end of the transaction; return what was set before."""
    cursor.execute(_settings(settings), prepare=False)
    return {name: before for name, before, _ in cursor}


def _settings(settings: dict[str, str]) -> sql.Composed:
    """A statement that sets, until the end of the transaction, what this server knows of it."""
    return template("settings", settings=literal(json.dumps(settings)))


def is_lost(connection: Connection) -> bool:
    """Whether the connection is of no more use."""
    return connection.closed or connection.broken


def template(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """seqguard/sql/NAME.sql with its {names} filled in by the driver's own quoting."""
    from psycopg import sql

    return sql.SQL(_statement(name)).format(**parts)


@cache
def _statement(name: str) -> str:
    """An SQL file without the comment at its top."""
    lines = sql_file(name).splitlines()
    return "\n".join(dropwhile(lambda line: line.startswith("--"), lines))


def identifier(*names: str) -> sql.Composable:
    """A name, qualified if several parts are given."""
    from psycopg import sql

    return sql.Identifier(*names)


def quoted(shown: str) -> sql.Composable:
    """Names as format('%I') or format_type() with a pinned search_path shows them: quoted by the server."""
    from psycopg import sql

    return sql.SQL(shown)


def literal(value: object) -> sql.Composable:
    """A constant."""
    from psycopg import sql

    return sql.Literal(value)


def statements(queries: Iterable[sql.Composable]) -> sql.Composed:
    """Several statements, to be sent at once."""
    from psycopg import sql

    return sql.SQL(";\n").join(queries)


def do_block(function: str, /, **parameters: tuple[str, sql.Composable]) -> sql.Composed:
    """An anonymous block with the body of an installed function, its parameters as constants.

    function is the text of a CREATE FUNCTION statement; parameters are name=(type, value).
    """
    from psycopg import sql

    body = function.split("$function$")[1].strip()
    block = sql.SQL("<<parameters>>\nDECLARE\n{}BEGIN\n{};\nEND").format(
        sql.Composed(
            [
                sql.SQL("    {} CONSTANT pg_catalog.{} := {};\n").format(
                    sql.Identifier(name), sql.Identifier(type_name), value
                )
                for name, (type_name, value) in parameters.items()
            ]
        ),
        sql.SQL(body),
    )
    quote = sql.SQL(_dollar_quote(text(block)))
    return sql.SQL("DO {}\n{}\n{}").format(quote, block, quote)


def _dollar_quote(quoted: str) -> str:
    """A dollar quote that does not occur in what it is to quote: names can hold anything."""
    candidates = (f"$seqguard{number or ''}$" for number in count())
    return next(quote for quote in candidates if quote not in quoted)


def text(query: sql.Composed) -> str:
    """A query as psql would take it."""
    return query.as_string(None)


def _row(connection: Connection, query: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
    from psycopg.rows import tuple_row

    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query, parameters, prepare=False).fetchone()
    assert row is not None
    return row
