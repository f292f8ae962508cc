"""seqguard script."""

import click


@click.command()
def script() -> None:
    """Print what guard installs as one SQL file for psql.

    \b
    seqguard script > auto-sync-sequences.sql
    psql -d mydb -f auto-sync-sequences.sql
    """
    from seqguard.script import sql_script

    click.echo(sql_script(), nl=False)
