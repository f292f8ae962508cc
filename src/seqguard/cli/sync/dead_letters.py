"""seqguard sync dead-letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from seqguard.cli.common import formatted

if TYPE_CHECKING:
    from seqguard.sync.writing.handling import Choice

file_argument = click.argument("file", type=click.Path(dir_okay=False))


@click.group("dead-letters", short_help="Changes that could not be applied.")
def dead_letters() -> None:
    """Look at the changes that could not be applied, try them again, or drop them.

    FILE is the mapping file. A letter goes by itself when a later change of its row is applied.
    """


@dead_letters.command("list", short_help="List them.")
@file_argument
@click.option("--table", help="Only those of this source table.")
@click.option("--limit", type=click.IntRange(1), help="No more than so many, the oldest.")
@formatted("table", "json")
@click.pass_context
def list_(context: click.Context, file: str, table: str | None, limit: int | None, output: str) -> None:
    """List letters: waiting for another row, dead, or of a table that is stopped. Exit code 1 when there are any."""
    from seqguard.sync.mapping import config
    from seqguard.sync.writing import handling

    found = handling.letters(config.load(file), table, limit)
    click.echo(_json(found) if output == "json" else _table(found))
    context.exit(1 if found else 0)


@dead_letters.command(short_help="Show one of them.")
@file_argument
@click.argument("number", metavar="ID", type=int)
@formatted("table", "json")
def show(file: str, number: int, output: str) -> None:
    """Show the letter with this ID: the change, the error, what it means, and where it stood in the source."""
    from seqguard.render.printable import printable
    from seqguard.sync.mapping import config
    from seqguard.sync.writing import handling

    found = handling.letter(config.load(file), number)
    if output == "json":
        click.echo(_json(found))
        return
    width = max(map(len, found))
    for name, value in found.items():
        if value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
            click.echo(f"{name.ljust(width)}  {printable(shown)}")


@dead_letters.command(short_help="Try them again.")
@file_argument
@click.argument("ids", nargs=-1, metavar="[ID]...", type=int)
@click.option("--table", help="All of this source table.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.pass_context
def retry(context: click.Context, file: str, ids: tuple[int, ...], table: str | None, everything: bool) -> None:
    """Apply letters with the mapping as it is now. The worker may run meanwhile.

    Exit code 0 when all were applied, 1 when some were not.
    """
    from seqguard.render.printable import printable
    from seqguard.sync.mapping import config
    from seqguard.sync.writing import handling

    choice = _choice(ids, table, everything=everything)
    applied, left = handling.retry(config.load(file), choice)
    click.echo(f"{applied} applied, {sum(one.count for one in left)} left.")
    for one in left:
        click.echo(f"{one.table}: {one.count} {one.state}: {printable(one.error)} (show {one.first})")
    context.exit(1 if left else 0)


@dead_letters.command(short_help="Forget them.")
@file_argument
@click.argument("ids", nargs=-1, metavar="[ID]...", type=int)
@click.option("--table", help="All of this source table.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
def drop(file: str, ids: tuple[int, ...], table: str | None, everything: bool) -> None:
    """Forget letters: their changes are never applied, and the target stays as it is."""
    from seqguard.sync.mapping import config
    from seqguard.sync.writing import handling

    choice = _choice(ids, table, everything=everything)
    click.echo(f"{handling.drop(config.load(file), choice)} dropped.")


def _choice(ids: tuple[int, ...], table: str | None, *, everything: bool) -> Choice:
    from seqguard.sync.writing.handling import Choice

    if sum(map(bool, (ids, table, everything))) != 1:
        raise click.UsageError("say which: ids, or --table, or --all")
    return Choice(ids, table)


def _json(found: object) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False, default=str)


def _table(found: list[dict[str, Any]]) -> str:
    from seqguard.render import as_table

    if not found:
        return "No letters."
    head = ("id", "table", "key", "state", "sqlstate", "tries", "since", "error")
    rows = [
        (
            str(letter["id"]),
            letter["source"],
            letter["key"],
            letter["state"],
            letter["sqlstate"],
            str(letter["attempts"]),
            f"{letter['created']:%Y-%m-%d %H:%M}",
            letter["error"],
        )
        for letter in found
    ]
    return "\n".join(as_table.plain(head, rows, right=(0, 5)))
