"""The story that the demo tells. Every number in it is an answer of the server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, LiteralString

import click
import psycopg

from seqguard import pg
from seqguard.checking import check
from seqguard.demo.server import embedded_binaries, throwaway
from seqguard.fixing import fix
from seqguard.guarding import guard
from seqguard.render import as_table
from seqguard.script import sql_file

if TYPE_CHECKING:
    from seqguard.demo.server import Server
    from seqguard.pg import Connection

_DATABASE = "shop"
_ORDINARY = "INSERT INTO users (name) VALUES ('ordinary') RETURNING id;"
_EXPLICIT = "INSERT INTO users (id, name) VALUES (100, 'explicit') RETURNING id;"
_COPY = "COPY users (id, name) FROM STDIN;"
_COPIED = "500\tAda\n501\tGrace\n502\tKatherine\n"

_SESSIONS = 8
_INSERTS = 100
_APART = 10_000
"""From one explicit id to the next: more than all ordinary inserts together could use up."""


def tell(*, keep: bool) -> None:
    """Tell the story on a throwaway server; with `keep`, leave it up and say how to reach and stop it.

    Raises SeqguardError when there is no embedded PostgreSQL.
    """
    with throwaway(embedded_binaries(), keep=keep) as server:
        with pg.connect(server.conninfo()) as connection:
            connection.execute("CREATE DATABASE shop")
        with pg.connect(server.conninfo(_DATABASE)) as connection:
            _tell(Narrator(connection), server)
        if keep:
            _say_how_to_go_on(server)


def _tell(narrator: Narrator, server: Server) -> None:
    narrator.title(f"A throwaway PostgreSQL {pg.server(narrator.connection).version}")
    narrator.shell(f"export PGHOST={server.folder} PGUSER=postgres PGDATABASE={_DATABASE}")
    _fall_behind(narrator)
    _repair(narrator)
    _guard(narrator)
    _crowd(narrator, server)


def _fall_behind(narrator: Narrator) -> None:
    narrator.title("Rows arrive with their ids, as a migration brings them")
    narrator.sql(_file("users"))
    narrator.sql(_file("explicit"))
    narrator.title("The sequence has not noticed: an ordinary insert fails")
    narrator.sql(_ORDINARY)


def _repair(narrator: Narrator) -> None:
    narrator.title("check finds it, fix repairs it")
    narrator.shell("seqguard check", as_table.check(check(narrator.connection)))
    narrator.shell("seqguard fix", as_table.fix(fix(narrator.connection)))
    narrator.sql(_ORDINARY)


def _guard(narrator: Narrator) -> None:
    narrator.title("guard keeps it from happening again")
    narrator.shell("seqguard guard", as_table.guards(guard(narrator.connection)))
    narrator.sql(_EXPLICIT)
    narrator.sql(_ORDINARY)
    narrator.copy(_COPY, _COPIED)
    narrator.sql(_ORDINARY)


def _crowd(narrator: Narrator, server: Server) -> None:
    narrator.title("Concurrent sessions, every fourth insert with an explicit id")
    duplicates = _insert_concurrently(server)
    narrator.sql(_file("tally"))
    narrator.answer(f"duplicate key errors = {duplicates}")
    narrator.shell("seqguard check", as_table.check(check(narrator.connection)))


def _insert_concurrently(server: Server) -> int:
    """Let every session do its inserts; return how many failed with a duplicate key."""
    explicit_ids = count(_APART, _APART)
    with ExitStack() as stack, ThreadPoolExecutor(_SESSIONS) as threads:
        sessions = [stack.enter_context(pg.connect(server.conninfo(_DATABASE))) for _ in range(_SESSIONS)]
        names = (f"session {number}" for number in range(1, _SESSIONS + 1))
        return sum(threads.map(_insert_many, sessions, names, [explicit_ids] * _SESSIONS))


def _insert_many(session: Connection, name: str, explicit_ids: count[int]) -> int:
    duplicates = 0
    for number in range(_INSERTS):
        try:
            if number % 4:
                session.execute("INSERT INTO users (name) VALUES (%s)", [name])
            else:
                session.execute("INSERT INTO users (id, name) VALUES (%s, %s)", [next(explicit_ids), name])
        except psycopg.errors.UniqueViolation:
            duplicates += 1
    return duplicates


def _say_how_to_go_on(server: Server) -> None:
    click.echo(f"\nThe server stays up:\n  seqguard check '{server.conninfo(_DATABASE)}'")
    click.echo(f"To stop and remove it:\n  {server.stop_command}")


def _file(name: str) -> LiteralString:
    """An SQL file of the demo without the comment at its top."""
    return sql_file(f"demo/{name}").split("\n", 1)[1].strip()


@dataclass(frozen=True, slots=True)
class Narrator:
    """Runs statements and prints them with their results, as psql and a shell would show them."""

    connection: Connection

    def title(self, text: str) -> None:
        """The heading of a chapter."""
        click.secho(f"\n{text}", bold=True)

    def shell(self, command: str, output: str = "") -> None:
        """A command as typed in a shell, and what it prints."""
        click.echo(f"{click.style('$', fg='cyan')} {command}")
        if output:
            self.answer(output)

    def sql(self, statement: LiteralString) -> None:
        """Run a statement; print it with its rows and its status, or with the error."""
        self._prompt(statement)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)
                self._result(cursor)
        except psycopg.Error as error:
            self._error(error)

    def copy(self, statement: LiteralString, data: str) -> None:
        """Run COPY FROM STDIN; print it with its data and its status."""
        self._prompt(statement)
        self.answer(f"{data}\\.")
        with self.connection.cursor() as cursor:
            with cursor.copy(statement) as copying:
                copying.write(data)
            self._result(cursor)

    def answer(self, text: str) -> None:
        """What was answered."""
        click.echo(text)

    def _prompt(self, statement: str) -> None:
        prompts = [f"{_DATABASE}=#", f"{_DATABASE}-#"]
        for number, line in enumerate(statement.splitlines()):
            click.echo(f"{click.style(prompts[number > 0], fg='cyan')} {line}")

    def _result(self, cursor: psycopg.Cursor[tuple[object, ...]]) -> None:
        names = [column.name for column in cursor.description or ()]
        for row in cursor if names else ():
            self.answer(", ".join(f"{name} = {value}" for name, value in zip(names, row, strict=True)))
        self.answer(str(cursor.statusmessage))

    def _error(self, error: psycopg.Error) -> None:
        click.secho(f"{error.diag.severity}:  {error.diag.message_primary}", fg="red")
        if error.diag.message_detail:
            click.secho(f"DETAIL:  {error.diag.message_detail}", fg="red")
