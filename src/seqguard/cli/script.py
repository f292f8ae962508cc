"""seqguard script."""

import click


@click.command(short_help="Print what guard installs as SQL for psql.")
def script() -> None:
    """Print what guard installs as one SQL file for psql.

    \b
    seqguard script > auto-sync-sequences.sql
    psql -d mydb -f auto-sync-sequences.sql
    """  # noqa: D301 - click takes \b for "do not wrap"
    from seqguard.script import sql_script

    click.echo(sql_script(), nl=False)
