"""seqguard sync: one file per subcommand."""

import click

from seqguard.cli.sync.check import check
from seqguard.cli.sync.init import init


@click.group(short_help="Rows from MySQL into PostgreSQL, with their own ids.")
def sync() -> None:
    """Keep tables of PostgreSQL as their twins in MySQL are, ids included.

    FILE says which source table goes to which target table, and what becomes of its columns.
    """


for _command in (init, check):
    sync.add_command(_command)
