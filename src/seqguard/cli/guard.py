"""seqguard guard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from seqguard.cli.common import (
    NOT_QUOTED,
    Progress,
    connected,
    formatted,
    looks_like_conninfo,
    selecting,
    timed,
)
from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.model import Guard
    from seqguard.pg import Timeouts
    from seqguard.selection import Selection


@click.command(short_help="Install triggers that keep sequences right.")
@click.argument("arguments", nargs=-1, metavar="[CONNINFO] [TABLE]...")
@selecting
@timed(lock="500ms")
@formatted("table", "json")
@click.option("--list", "listing", is_flag=True, help="Only list the guards that there are or could be.")
@click.option("--new-tables", is_flag=True, help="Also guard tables as they are created (needs a superuser).")
@click.pass_context
def guard(
    context: click.Context,
    arguments: tuple[str, ...],
    selection: Selection,
    timeouts: Timeouts,
    output: str,
    listing: bool,
    new_tables: bool,
) -> None:
    """Install triggers that keep sequences right, whoever inserts.

    Without TABLE, on every column that a sequence feeds. A TABLE is a name or a pattern; a
    first argument with "=" or "://" in it is CONNINFO. Running it again
    brings guards up to date. Exit code 0 when every selected column is guarded, else 1.
    """
    import seqguard
    from seqguard import pg
    from seqguard.render import as_json, as_table

    conninfo, tables = split_arguments(arguments)
    with (
        telling_databases(arguments),
        connected(conninfo) as connection,
        Progress("reading" if listing else "guarding") as progress,
    ):
        if listing:
            result = seqguard.guards(connection, *tables, selection=selection, timeouts=timeouts)
        else:
            if pg.server(connection).read_only:
                raise SeqguardError("this server is read-only (a standby?): run guard on the primary")
            if new_tables:
                seqguard.guard_new_tables(connection, timeouts)
            result = seqguard.guard(
                connection,
                *tables,
                selection=selection,
                timeouts=timeouts,
                expect=progress.expect,
                progress=progress.advance,
            )
    click.echo(as_json.guards(result) if output == "json" else as_table.guards(result))
    context.exit(0 if all(map(is_done, result)) else 1)


def split_arguments(arguments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Connection string and tables."""
    if any(map(looks_like_conninfo, arguments[1:])):
        raise click.UsageError(NOT_QUOTED)
    if arguments and looks_like_conninfo(arguments[0]):
        return arguments[0], arguments[1:]
    return "", arguments


@contextmanager
def telling_databases(arguments: tuple[str, ...]) -> Iterator[None]:
    """When the first word is no table, say how a database is written: for check it is a plain word."""
    from seqguard.selection import NoSuchTableError

    try:
        yield
    except NoSuchTableError as error:
        if error.pattern not in arguments[:1]:
            raise
        raise SeqguardError(f"{error}; a database is written dbname={error.pattern}") from None


def is_done(guard: Guard) -> bool:
    """Whether there is nothing left to do about a guard."""
    return guard.state == "unguardable" or (guard.state == "installed" and not guard.problem)
