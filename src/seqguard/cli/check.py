"""seqguard check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seqguard.cli.common import Progress, connected, conninfo_argument, formatted, jobs_option, selecting, timed

if TYPE_CHECKING:
    from seqguard.pg import Timeouts
    from seqguard.selection import Selection


@click.command(short_help="Find the sequences that have fallen behind their data.")
@conninfo_argument
@selecting
@timed(statement="1min")
@jobs_option
@formatted("table", "json", "sql")
@click.option("--all", "everything", is_flag=True, help="Show the sequences that are ok, too.")
@click.option("--unattached", is_flag=True, help="Also list sequences that feed no column.")
@click.pass_context
def check(
    context: click.Context,
    conninfo: str,
    selection: Selection,
    timeouts: Timeouts,
    jobs: int,
    output: str,
    everything: bool,
    unattached: bool,
) -> None:
    """Find the sequences that have fallen behind the columns that they feed.

    Writes nothing; works on a standby. Exit code 0 when every sequence is ok, else 1.
    """
    import seqguard
    from seqguard.render import as_json, as_sql, as_table

    with connected(conninfo) as connection, Progress("reading") as progress:
        report = seqguard.check(
            connection, selection, unattached=unattached, timeouts=timeouts, jobs=jobs, **progress.told
        )
    if output == "json":
        click.echo(as_json.report(report))
    elif output == "sql":
        click.echo(as_sql.repairs(report, lock_timeout=timeouts.lock).encode())
    else:
        click.echo(as_table.check(report, everything=everything or unattached))
    context.exit(0 if report.in_sync else 1)
