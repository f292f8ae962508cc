"""seqguard unguard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seqguard.cli.common import connected, formatted, selecting, timed
from seqguard.cli.guard import split_arguments, telling_databases

if TYPE_CHECKING:
    from seqguard.pg import Timeouts
    from seqguard.selection import Selection


@click.command(short_help="Remove guards.")
@click.argument("arguments", nargs=-1, metavar="[CONNINFO] [TABLE]...")
@selecting
@timed(lock="500ms")
@formatted("table", "json")
@click.option("--all", "everything", is_flag=True, help="Remove every guard and schema seqguard.")
@click.pass_context
def unguard(
    context: click.Context,
    arguments: tuple[str, ...],
    selection: Selection,
    timeouts: Timeouts,
    output: str,
    everything: bool,
) -> None:
    """Remove guards: those of the given tables, or with --all everything seqguard installed."""
    import seqguard
    from seqguard.render import as_json, as_table

    conninfo, tables = split_arguments(arguments)
    chosen = bool(tables or selection.schemas or selection.tables or selection.exclude_tables)
    if everything == chosen:
        raise click.UsageError("name the tables, or say --all to remove everything")
    with telling_databases(arguments), connected(conninfo) as connection:
        if everything:
            result = seqguard.uninstall(connection, timeouts)
        else:
            result = seqguard.unguard(connection, *tables, selection=selection, timeouts=timeouts)
    click.echo(as_json.guards(result) if output == "json" else as_table.unguarded(result))
    context.exit(1 if any(guard.problem for guard in result) else 0)
