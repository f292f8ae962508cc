"""seqguard fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seqguard.cli.common import Progress, connected, conninfo_argument, formatted, jobs_option, selecting, timed
from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from seqguard.pg import Timeouts
    from seqguard.selection import Selection


@click.command(short_help="Move the sequences that are behind forward.")
@conninfo_argument
@selecting
@timed(lock="500ms", statement="1min")
@jobs_option
@formatted("table", "json")
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run, for psql.")
@click.option("--margin", type=click.IntRange(0), default=0, help="Leave so many values free beyond the data.")
@click.pass_context
def fix(
    context: click.Context,
    conninfo: str,
    selection: Selection,
    timeouts: Timeouts,
    jobs: int,
    output: str,
    dry_run: bool,
    margin: int,
) -> None:
    """Move the sequences that are behind forward: exactly, never backwards, on a live database.

    Each sequence is moved on its own; one that is locked, dropped or at its limit does not
    stop the others. Exit code 0 when every sequence is ok afterwards, else 1.
    """
    import seqguard
    from seqguard import pg
    from seqguard.render import as_json, as_sql, as_table

    if dry_run and output != "table":
        raise click.UsageError("--dry-run prints SQL, whatever --format says: leave one of them out")
    with connected(conninfo) as connection:
        with Progress("reading") as reading:
            found = seqguard.check(connection, selection, timeouts=timeouts, jobs=jobs, **reading.told)
        if dry_run:
            click.echo(as_sql.repairs(found, margin, timeouts.lock).encode())
            context.exit(0 if found.in_sync else 1)
        if found.with_status("behind") and pg.server(connection).read_only:
            raise SeqguardError("this server is read-only (a standby?): run fix on the primary")
        with Progress("moving") as moving:
            report = seqguard.fix(connection, found, margin=margin, timeouts=timeouts, jobs=jobs, **moving.told)
    click.echo(as_json.report(report) if output == "json" else as_table.fix(report))
    context.exit(0 if report.in_sync else 1)
