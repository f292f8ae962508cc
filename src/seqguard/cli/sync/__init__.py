"""seqguard sync: one file per subcommand."""

import click

from seqguard.cli.sync.check import check
from seqguard.cli.sync.dead_letters import dead_letters
from seqguard.cli.sync.init import init
from seqguard.cli.sync.run import run
from seqguard.cli.sync.status import status


@click.group(short_help="Rows from MySQL into PostgreSQL, with their own ids.")
def sync() -> None:
    """Keep tables of PostgreSQL as their twins in MySQL are, ids included.

    FILE says which source table goes to which target table, and what becomes of its columns.
    """


for _command in (init, check, run, status, dead_letters):
    sync.add_command(_command)
